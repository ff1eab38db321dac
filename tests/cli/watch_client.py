"""watch_client.py PORT drop|late: makes the server at that port reset us, and prints what we read or sent last."""
import select
import socket
import sys
import time

client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
try:
    if sys.argv[2] == "drop":
        client.sendall(b"drop this, the rest of which nobody reads")
        got = client.recv(100)
        # A server that has half-closed resets after that, unless we close, too, before it does.
        reset = select.poll()
        reset.register(client, 0)
        reset.poll(60000)
        print("read", got)
    else:
        client.sendall(b"word")
        while client.recv(100):
            pass
        # The second fails, once the reset that answers the first is there.
        for _ in range(1000):
            client.sendall(b"late")
            time.sleep(0.01)
except OSError as error:
    print(error.strerror)
