"""Programs that close in the ways people write, and the peers that tell what became of it.

    explain.py PROGRAM [ARGUMENT...]

The program runs in this process; its peer is another one, without any library in front of it, and
prints what it read: the number of bytes, and "EOF" or the name of the error behind them. What the program
itself sees, where another descriptor or process of its still holds the connection, it prints too.
With TLS, EXPLAIN_CERTIFICATE names a file with certificate and key.
"""
import array
import ctypes
import errno
import fcntl
import functools
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import termios

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UPLOAD = b"POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n"
FORM = b"name=value&" * 1818 + b"a="
EVERYTHING = 300_000

TABLE = {}


def program(function):
    TABLE[function.__name__.replace("_", "-")] = function
    return function


def say(*words):
    print(*words, flush=True)


def unread(connection):
    size = array.array("i", [0])
    fcntl.ioctl(connection, termios.FIONREAD, size)
    return size[0]


def await_unread(connection, size):
    """Until so many bytes wait to be read, at least."""
    while unread(connection) < size:
        select.select([connection], [], [], 0.001)


def read_all(connection):
    """How much can be read until the connection ends, and what ends it."""
    size = 0
    try:
        while data := connection.recv(65536):
            size += len(data)
        return size, "EOF"
    except OSError as error:
        return size, errno.errorcode.get(error.errno, error.errno)


def read_head(connection):
    """A request's head, and not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)


# ---- The peers, each with the port that it connects to, or waits on ----------------------------------

def peer_sends(port, *pieces):
    """Hexadecimal pieces; before each but the first an answer is awaited."""
    connection = socket.create_connection(("127.0.0.1", port))
    for i, piece in enumerate(pieces):
        if i:
            connection.recv(65536)
        connection.sendall(bytes.fromhex(piece))
    say("peer", *read_all(connection))


def peer_urgent(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"!", socket.MSG_OOB)
    say("peer", *read_all(connection))


def peer_resets(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(b"hello")
    sys.stdin.readline()
    connection.close()


def peer_waits(port, count):
    """So many clients; none of them is going to be accepted."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(int(count))]
    say("connected")
    for client in clients:
        say("peer", *read_all(client))


def client_context(version):
    context = ssl.create_default_context(cafile=os.environ["EXPLAIN_CERTIFICATE"])
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    return context


def peer_says_goodbye(port, version):
    """A TLS client that asks, reads the answer, and ends its side in order."""
    raw = socket.create_connection(("127.0.0.1", port))
    plain, encrypted = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(version).wrap_bio(plain, encrypted, server_hostname="localhost")

    def until_done(operation):
        while True:
            try:
                result = operation()
                raw.sendall(encrypted.read())
                return result
            except ssl.SSLWantReadError:
                raw.sendall(encrypted.read())
                plain.write(raw.recv(65536))

    until_done(client.do_handshake)
    until_done(lambda: client.write(REQUEST))
    until_done(lambda: client.read(65536))
    try:
        client.unwrap()
    except ssl.SSLWantReadError:
        pass
    raw.sendall(encrypted.read())
    say("peer", *read_all(raw))


def peer_tls_server(port):
    """Takes an upload, but only once its client has closed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["EXPLAIN_CERTIFICATE"])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    say("listening")
    connection = context.wrap_socket(listener.accept()[0], server_side=True)
    sys.stdin.readline()
    say("peer", *read_all(connection))


def peer_server(port, size):
    listener = socket.create_server(("127.0.0.1", port))
    say("listening")
    connection = listener.accept()[0]
    connection.sendall(bytes(int(size)))
    say("peer", *read_all(connection))


# ---- The programs ------------------------------------------------------------------------------------

def start_peer(name, *arguments, heard=None):
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    command = ["/usr/bin/python3", "-I", __file__, "--peer", name, *map(str, arguments)]
    stdout = subprocess.PIPE if heard else None
    peer = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=stdout)
    if heard:
        assert peer.stdout.readline() == heard
    return peer


def finish(peer, *connections):
    """Lets a peer go on that waits for it, and passes on what it says."""
    for connection in connections:
        connection.close()
    out = peer.communicate(b"\n")[0]
    if out:
        sys.stdout.write(out.decode())


def accepted(name, *arguments):
    listener = socket.create_server(("127.0.0.1", 0))
    peer = start_peer(name, listener.getsockname()[1], *arguments)
    return peer, listener.accept()[0]


@program
def kept_alive():
    """The second request comes when the server has decided to close."""
    peer, connection = accepted("sends", REQUEST.hex(), REQUEST.hex())
    read_head(connection)
    connection.sendall(ANSWER)
    await_unread(connection, len(REQUEST))
    finish(peer, connection)


@program
def early_answer():
    """An upload is refused by its head."""
    peer, connection = accepted("sends", (UPLOAD + FORM).hex())
    read_head(connection)
    connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\n")
    await_unread(connection, len(FORM))
    finish(peer, connection)


@program
def nothing_read(*pieces):
    """A client is turned away, whatever it sends."""
    sent = [bytes.fromhex(p) for p in pieces]
    peer, connection = accepted("sends", *pieces)
    await_unread(connection, len(sent[0]))
    finish(peer, connection)


@program
def ring():
    """The program gives an io_uring requests all the while, and nobody sees which."""
    libc = ctypes.CDLL(None)
    number = libc.syscall(425, 4, ctypes.create_string_buffer(120))
    if number < 0:
        say("no ring")
    peer, connection = accepted("sends", b"hello".hex())
    libc.syscall(426, number, 1, 0, 0, None, 0)
    await_unread(connection, 5)
    finish(peer, connection)


@program
def goodbye(version):
    """A TLS server that answers, and closes with its client's close_notify unread."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["EXPLAIN_CERTIFICATE"])
    peer, raw = accepted("says-goodbye", version)
    connection = context.wrap_socket(raw, server_side=True)
    connection.recv(65536)
    connection.sendall(ANSWER)
    await_unread(connection, 24)
    finish(peer, connection)


@program
def tickets():
    """A TLS 1.3 client that only sends: what the server has sent meanwhile nobody reads."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    peer = start_peer("tls-server", port, heard=b"listening\n")
    raw = socket.create_connection(("127.0.0.1", port))
    connection = client_context("TLSv1_3").wrap_socket(raw, server_hostname="localhost")
    await_unread(connection, 1)
    connection.sendall(bytes(EVERYTHING))
    finish(peer, connection)


@program
def zero_linger():
    peer, connection = accepted("sends", b"hello".hex())
    connection.recv(5)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finish(peer, connection)


@program
def restart(count):
    """The server stops accepting before its clients stop coming, and begins anew."""
    old = socket.create_server(("127.0.0.1", 0))
    port = old.getsockname()[1]
    peer = start_peer("waits", port, count, heard=b"connected\n")
    old.close()
    socket.create_server(("127.0.0.1", port)).close()
    finish(peer)


@program
def ends(how):
    """The process ends, and with it its connections."""
    peer, connection = accepted("sends", b"hello".hex())
    await_unread(connection, 5)
    connection.detach()
    peer.stdin.close()
    if how == "_exit":
        os._exit(0)


@program
def stops_reading():
    """A client has seen enough."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    peer = start_peer("server", port, 3000, heard=b"listening\n")
    connection = socket.create_connection(("127.0.0.1", port))
    connection.recv(1000)
    await_unread(connection, 2000)
    finish(peer, connection)


@program
def urgent():
    peer, connection = accepted("urgent")
    select.select([], [], [connection])
    finish(peer, connection)


@program
def deep(piece):
    """The close is many frames down."""
    peer, connection = accepted("sends", piece)
    await_unread(connection, len(bytes.fromhex(piece)))

    def descend(depth):
        if depth == 0:
            connection.close()
            return 0
        return functools.reduce(lambda _, d: descend(d), [0, depth - 1])

    descend(30)
    finish(peer)


# ---- Programs that go on with what they close: what they see must not depend on who looks at it -------

PEEK_OFF = 42
SOCKET = socket.SOL_SOCKET


@program
def peek_offset(keep):
    """Peeks from where it has peeked before."""
    peer, connection = accepted("sends", b"hello, world".hex())
    await_unread(connection, 12)
    connection.setsockopt(SOCKET, PEEK_OFF, 0)
    say(connection.recv(3, socket.MSG_PEEK).decode())
    if keep == "copy":
        copy = connection.dup()
        connection.close()
        say(copy.getsockopt(SOCKET, PEEK_OFF), copy.recv(4, socket.MSG_PEEK | socket.MSG_DONTWAIT).decode())
        say(copy.recv(99).decode())
        connection = copy
    finish(peer, connection)


@program
def peeks():
    peer, connection = accepted("sends", b"hello, world".hex())
    await_unread(connection, 12)
    say(connection.recv(5, socket.MSG_PEEK).decode())
    finish(peer, connection)


@program
def reset_before():
    """The peer's reset is for whoever asks next, and that is the other descriptor."""
    peer, connection = accepted("resets")
    await_unread(connection, 5)
    finish(peer)
    copy = connection.dup()
    connection.close()
    say(*read_all(copy))
    say(*read_all(copy))


@program
def child():
    """The child has the connection too, and reads on when its parent has closed."""
    peer, connection = accepted("sends", b"hello, world".hex())
    await_unread(connection, 12)
    closed, closing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(closing)
        os.read(closed, 1)
        say(connection.recv(5, socket.MSG_PEEK).decode(), connection.recv(99).decode())
        connection.close()
        os._exit(0)
    connection.close()
    os.close(closing)
    os.waitpid(pid, 0)
    finish(peer)


@program
def urgent_copy():
    peer, connection = accepted("urgent")
    select.select([], [], [connection])
    copy = connection.dup()
    connection.close()
    say(copy.recv(1, socket.MSG_OOB).decode())
    finish(peer, copy)


if sys.argv[1] == "--peer":
    name, port, *rest = sys.argv[2:]
    globals()["peer_" + name.replace("-", "_")](int(port), *rest)
else:
    TABLE[sys.argv[1]](*sys.argv[2:])
