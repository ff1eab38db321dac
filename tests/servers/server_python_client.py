"""A client that sends its whole request in one write, and reads only when the server has given up the
connection, so that whatever a reset destroys is destroyed.

Usage: server_python_client.py PORT METHOD PATH BYTES
Prints, in one line: the status, how many bytes of body came, how reading ended (EOF, ECONNRESET), and
what error the kernel still had for us (0; EPIPE is a reset that came after the end).
"""
import errno
import socket
import sys
import time

CLOSED = 7  # TCP_CLOSE, in the first byte of TCP_INFO
ESTABLISHED = "01"  # in /proc/net/tcp
PATIENCE_S = 60


def server_end(server, own):
    """State and inode of the server's end in /proc/net/tcp; None where it is not there."""
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            _, local, remote, state, _, _, _, _, _, inode = line.split()[:10]
            if int(local[-4:], 16) == server and int(remote[-4:], 16) == own:
                return state, inode
    return None


def given_up(connection):
    """Whether it is; where it was reset, that has arrived here, too."""
    end = server_end(connection.getpeername()[1], connection.getsockname()[1])
    if end is None:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == CLOSED
    state, inode = end
    # What is not yet accepted has no inode either.
    return inode == "0" and state != ESTABLISHED


def wait_until_given_up(connection):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if given_up(connection):
                return
        except OSError:  # getpeername: no peer any more
            return
        if time.monotonic() > deadline:
            sys.exit("the server does not close")
        time.sleep(0.001)


def read_to_end(connection):
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
        return answer, "EOF"
    except OSError as error:
        return answer, errno.errorcode[error.errno]


def main():
    port, method, path, size = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    connection = socket.socket()
    # Small, so that most of a long answer stays with the server until we read.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    connection.connect(("127.0.0.1", port))
    head = f"{method} {path} HTTP/1.0\r\nContent-Length: {size}\r\n\r\n"
    # Up to 64 kB cross the loopback in one segment, and arrive all or not at all.
    connection.send(head.encode() + b"b" * size)
    wait_until_given_up(connection)
    answer, end = read_to_end(connection)
    pending = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    answer_head, _, body = answer.partition(b"\r\n\r\n")
    status = answer_head.split()[1].decode() if answer_head else "none"
    print(status, len(body), end, errno.errorcode.get(pending, pending))


main()
