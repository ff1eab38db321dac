"""An upload over TLS 1.3 by a client that never reads, and so leaves the session tickets unread.

Usage: field_tls.py server PORT CERTIFICATE   serves one connection; prints what came and how it ended
       field_tls.py client PORT

The server reads slowly, through a small window, and says a word when most has come: late data for a client that
has closed by then.
"""
import socket
import ssl
import sys
import time

SIZE = 300_000


def read_slowly(connection):
    received, said = 0, False
    try:
        while part := connection.recv(4096):
            received += len(part)
            if received > SIZE * 5 / 6 and not said:
                connection.sendall(b"most of it is here\n")
                said = True
            time.sleep(0.001)
    except ssl.SSLEOFError:  # the client closes without a word
        pass
    except OSError:
        return received, "reset"
    return received, "eof"


def serve(port, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        connection, _ = listener.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as connection:
            received, end = read_slowly(connection)
    except OSError:
        received, end = 0, "reset"
    print(f"received={received} end={end}")


def upload(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as connection:
        connection.sendall(b"b" * (SIZE // 2))
        time.sleep(0.05)  # time enough for the tickets to come
        connection.sendall(b"b" * (SIZE // 2))


if sys.argv[1] == "server":
    serve(int(sys.argv[2]), sys.argv[3])
else:
    upload(int(sys.argv[2]))
