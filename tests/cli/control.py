#!/usr/bin/env python3
"""Switches the library's mode under a running server (control_server.c), and says what its clients saw.

    control.py DIRECTORY SCENARIO

What a close did is read from the client's side:
    rst     the server's close was answered with a reset
    fin     reading ended in order, but what the client sent afterwards was reset: drained
    held    reading ended in order, and what the client sent afterwards was taken: lingering
"""
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

BUILD = os.environ["programs"]
LIBRARY = os.environ["LIBSAFECLOSE"]
NOBODY = 65534
LOOK = 1.15  # seconds after which a process looks again
ALLOWED = "off, log, warn, drain or linger"


def same(expected, actual, what=""):
    if expected != actual:
        sys.exit("%s: expected %r, not %r" % (what or "control", expected, actual))


class Server:
    def __init__(self, directory, mode="warn", workers=0, text=False, tracer=(), control=None):
        self.directory = directory
        self.control = control or os.path.join(directory, "mode")
        self.log = os.path.join(directory, "log")
        if os.path.exists(self.log):
            os.unlink(self.log)
        settings = dict(os.environ, SAFECLOSE_MODE=mode, SAFECLOSE_CONTROL=self.control,
                        SAFECLOSE_LOG=self.log, SAFECLOSE_EXIT_WAIT="0", SAFECLOSE_FORMAT="text" if text else "json")
        command = [os.path.join(BUILD, "control_server")] + ([str(workers)] if workers else [])
        if tracer:
            command = [*tracer, "-E", "LD_PRELOAD=" + LIBRARY] + command
        else:
            settings["LD_PRELOAD"] = LIBRARY
        self.process = subprocess.Popen(command, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=directory)
        self.port = self.hear("port")

    def hear(self, word):
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != word:
            sys.exit("the server says %r: %s" % (line, self.process.stderr.read()))
        return int(line[1])

    def tell(self, text, answer="did", worker=None):
        prefix = "" if worker is None else "%d " % worker
        self.process.stdin.write(prefix + text + "\n")
        self.process.stdin.flush()
        return self.hear(answer)

    def switch(self, content):
        """Replaces the file in one step."""
        with open(self.control + ".new", "w") as new:
            new.write(content)
        os.chmod(self.control + ".new", 0o644)
        os.rename(self.control + ".new", self.control)
        time.sleep(LOOK)

    def opened(self, worker=None):
        return Client(self, worker)

    def events(self, kind=None):
        lines = [json.loads(line) for line in open(self.log)] if os.path.exists(self.log) else []
        return [e for e in lines if kind in (None, e["event"])]

    def changes(self):
        return [(e["from"], e["to"]) for e in self.events("mode")]

    def problems(self):
        return [e["problem"] for e in self.events("problem")]

    def end(self):
        self.process.stdin.close()
        same(0, self.process.wait(30), "exit status")
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return errors


class Client:
    """A connection of which the server will read nothing."""

    def __init__(self, server, worker=None):
        self.server, self.worker = server, worker
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.fd = server.tell("accept", "fd", worker)
        self.send(b"request")

    def send(self, data):
        """Until all is acknowledged, or the connection is over."""
        try:
            self.socket.send(data)
        except OSError:
            return
        end = time.monotonic() + 5
        while time.monotonic() < end and not self.is_over():
            left = fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4))
            if struct.unpack("i", left)[0] == 0:
                return
            time.sleep(0.001)

    def is_over(self):
        poll = select.poll()
        poll.register(self.socket, 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))

    def closed(self):
        """What the server's close does."""
        self.server.tell("close %d" % self.fd, worker=self.worker)
        self.socket.settimeout(10)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            return "rst"
        return "held" if self.goes_on() else "fin"

    def goes_on(self):
        """Whether what comes late is taken."""
        self.send(b"late")
        time.sleep(0.02)
        self.send(b"later")
        return not self.is_over()

    def is_let_go(self):
        """Whether, before long, it is not."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if not self.goes_on():
                return True
        return False

    def done(self):
        self.socket.close()


# ---- Switching -------------------------------------------------------------------------------------


def to_linger_and_back(directory, threads=False):
    server = Server(directory)
    if threads:
        server.tell("thread")
    before = [server.opened() for _ in range(6)]
    for client in before:
        server.tell("watch %d" % client.fd)
    same("rst", before[0].closed(), "warn")
    server.switch("linger\n")
    same("held", before[1].closed(), "opened in warn, closed in linger")
    same("held", before[2].closed(), "another")
    between = server.opened()
    same("held", between.closed(), "opened and closed in linger")
    server.switch("warn\n")
    same("rst", before[3].closed(), "opened in warn, closed in warn after linger")
    # At the lot's next look, which is within a second.
    same(True, before[1].is_let_go(), "what lingers ends in warn")
    server.switch("linger")
    same("held", before[4].closed(), "linger again")
    # What is unread in the last one is all that the program's epoll set may still tell.
    same("held", before[5].closed(), "the last")
    same(0, server.tell("events", "events"), "events of connections that were closed")
    same([("warn", "linger"), ("linger", "warn"), ("warn", "linger")], server.changes(), "told")
    same([], server.problems(), "problems")
    ends = [e["action"] for e in server.events("close")]
    same(["none", "lingering", "lingering", "lingering", "none", "lingering", "lingering"], ends, "actions")
    server.end()
    same("linger", server.events("summary")[0]["mode"], "mode of the summary")


def to_linger_and_back_with_threads(directory):
    to_linger_and_back(directory, threads=True)


def to_drain(directory):
    server = Server(directory)
    clients = [server.opened() for _ in range(3)]
    server.switch("drain\n")
    same("fin", clients[0].closed(), "drain")
    server.switch("log\n")
    same("rst", clients[1].closed(), "log")
    server.switch("off\n")
    told = len(server.events("close"))
    same("rst", clients[2].closed(), "off")
    same(told, len(server.events("close")), "events in off")
    same([("warn", "drain"), ("drain", "log"), ("log", "off")], server.changes(), "told")
    server.end()


def holds_at_the_start(directory):
    with open(os.path.join(directory, "mode"), "w") as control:
        control.write("linger\n")
    server = Server(directory, "off")
    same("held", server.opened().closed(), "linger from the start")
    same([], server.changes(), "no change")
    same("linger", server.events("start")[0]["mode"], "mode told at the start")
    server.end()


def from_off(directory):
    server = Server(directory, "off", text=True)
    clients = [server.opened() for _ in range(4)]
    same("rst", clients[0].closed(), "off")
    same(False, os.path.exists(server.log), "off is silent")
    server.switch("warn\n")
    same("rst", clients[1].closed(), "warn")
    server.switch("linger\n")
    same("held", clients[2].closed(), "opened in off, closed in linger")
    server.switch("off\n")
    same("rst", clients[3].closed(), "off again")
    same("", server.end(), "stderr")
    log = open(server.log).read()
    for text in ("mode changes from off to warn (SAFECLOSE_CONTROL)\n", "RST [unread-data] 7 bytes unread",
                 "  why: ", "mode changes from warn to linger (SAFECLOSE_CONTROL)\n", "lingering",
                 "mode changes from linger to off (SAFECLOSE_CONTROL)\n"):
        same(1, log.count(text) and 1, "the log has %r: %s" % (text, log))
    same((1, 1), (log.count("RST [unread-data]"), log.count("lingering; would")), "closes told: %s" % log)


def always_off(directory):
    server = Server(directory, "off")
    clients = [server.opened() for _ in range(2)]
    same("rst", clients[0].closed(), "off")
    time.sleep(LOOK)
    same("rst", clients[1].closed(), "off")
    same("", server.end(), "stderr")
    same([], server.events(), "events")


def missing_and_empty(directory):
    server = Server(directory, "drain")
    clients = [server.opened() for _ in range(6)]
    same("fin", clients[0].closed(), "missing: SAFECLOSE_MODE holds")
    server.switch("linger\n")
    same("held", clients[1].closed(), "linger")
    server.switch("")
    same("held", clients[2].closed(), "empty once")
    same([("drain", "linger")], server.changes(), "told so far")
    time.sleep(LOOK)
    same("fin", clients[3].closed(), "empty twice: SAFECLOSE_MODE holds")
    server.switch("warn\n")
    same("rst", clients[4].closed(), "warn")
    os.unlink(server.control)
    time.sleep(LOOK)
    same("fin", clients[5].closed(), "missing again")
    same([("drain", "linger"), ("linger", "drain"), ("drain", "warn"), ("warn", "drain")], server.changes(), "told")
    same([], server.problems(), "problems")
    server.end()


def written_in_place(directory):
    """By a word as long, with the time of the one before."""
    server = Server(directory, "warn")
    clients = [server.opened() for _ in range(2)]
    for client, mode in zip(clients, ("off", "log")):
        with open(server.control, "w") as control:
            control.write(mode)
        os.utime(server.control, ns=(0, 0))
        time.sleep(LOOK)
        same("rst", client.closed(), mode)
    same([("warn", "off"), ("off", "log")], server.changes(), "told")
    server.end()


# ---- What is refused ---------------------------------------------------------------------------------


def refused(directory, make, reason, content=None):
    """The mode stays, whatever the file says; one line, until something changes."""
    server = Server(directory, "warn")
    server.switch("drain\n")
    same("fin", server.opened().closed(), "drain")
    os.unlink(server.control)
    make(server.control)
    started = time.monotonic()
    for _ in range(3):
        time.sleep(LOOK)
        same("fin", server.opened().closed(), "the mode stays drain")
    if time.monotonic() - started > 15:
        sys.exit("a look waited")
    wanted = 'SAFECLOSE_CONTROL="%s"%s; the mode stays drain' % (server.control, reason)
    same([wanted], server.problems(), "told once")
    if os.path.isdir(server.control):
        os.rmdir(server.control)
    server.switch("linger\n")
    same("held", server.opened().closed(), "mended")
    same([("warn", "drain"), ("drain", "linger")], server.changes(), "told")
    server.end()


def writer(content, mode=0o644, owner=None):
    def make(path):
        with open(path + ".other", "w") as control:
            control.write(content)
        os.chmod(path + ".other", mode)
        if owner is not None:
            os.chown(path + ".other", owner, owner)
        os.rename(path + ".other", path)
    return make


def bad_word(directory):
    refused(directory, writer("fast\n"), ' holds "fast": must be ' + ALLOWED)


def bad_bytes(directory):
    refused(directory, writer('li\x1b]0;nger"\n'), ' holds "li\\x1b]0;nger"": must be ' + ALLOWED)


def two_words(directory):
    refused(directory, writer("linger\nwarn\n"), ' holds "linger\\x0awarn": must be ' + ALLOWED)


def huge(directory):
    refused(directory, writer("linger" * 1000000), ' holds "%s": must be %s' % (("linger" * 11)[:64], ALLOWED))


def foreign(directory):
    refused(directory, writer("linger\n", owner=NOBODY), ": it belongs to another user (uid %d)" % NOBODY)


def writable(directory):
    refused(directory, writer("linger\n", mode=0o666), ": users other than its owner may write to it")


def a_pipe(directory):
    refused(directory, os.mkfifo, ": it is not a regular file")


def a_directory(directory):
    refused(directory, os.mkdir, ": it is not a regular file")


def hard_link(directory):
    def make(path):
        writer("linger\n")(path + ".first")
        os.link(path + ".first", path)
    refused(directory, make, ": it has other names (hard links)")


def foreign_link(directory):
    """In a directory like /tmp."""
    os.chmod(directory, 0o1777)

    def make(path):
        writer("linger\n")(path + ".target")
        os.symlink(path + ".target", path)
        os.lchown(path, NOBODY, NOBODY)
    refused(directory, make, ': its component "mode" is a symbolic link that another user may have made')


def own_link(directory):
    """As Kubernetes mounts its files: names that lead through a link, which is exchanged."""
    for name, mode in (("1", "warn"), ("2", "linger")):
        os.mkdir(os.path.join(directory, name))
        writer(mode + "\n")(os.path.join(directory, name, "mode"))
    os.symlink("1", os.path.join(directory, "data"))
    os.symlink("data/mode", os.path.join(directory, "mode"))
    server = Server(directory)
    clients = [server.opened() for _ in range(2)]
    same("rst", clients[0].closed(), "warn")
    os.symlink("2", os.path.join(directory, "data.new"))
    os.rename(os.path.join(directory, "data.new"), os.path.join(directory, "data"))
    time.sleep(LOOK)
    same("held", clients[1].closed(), "linger")
    same([], server.problems(), "problems")
    server.end()


def at_the_start(directory):
    """A file that can't be used from the first: told with the other settings, SAFECLOSE_MODE holds."""
    writer("fast\n")(os.path.join(directory, "mode"))
    server = Server(directory, text=True)
    clients = [server.opened() for _ in range(2)]
    same("rst", clients[0].closed(), "warn")
    time.sleep(LOOK)
    same("rst", clients[1].closed(), "warn")
    server.end()
    wanted = 'SAFECLOSE_CONTROL="%s" holds "fast": must be %s; the mode stays warn\n' % (server.control, ALLOWED)
    same(1, open(server.log).read().count(wanted), "told once: " + open(server.log).read())


def race(directory):
    """Replaced all the while: by files of others and by links, which must never count."""
    server = Server(directory, "warn")
    os.chmod(directory, 0o1777)
    names = [server.control + ".%d" % i for i in range(3)]
    going_on = True

    def replace():
        while going_on:
            writer("linger\n", owner=NOBODY)(names[0])
            os.rename(names[0], server.control)
            writer("drain\n")(names[1])
            os.rename(names[1], server.control)
            os.symlink("/etc/hostname", names[2])
            os.lchown(names[2], NOBODY, NOBODY)
            os.rename(names[2], server.control)

    thread = threading.Thread(target=replace)
    thread.start()
    end = time.monotonic() + 12
    seen = set()
    while time.monotonic() < end:
        seen.add(server.opened().closed())
        time.sleep(0.2)
    going_on = False
    thread.join()
    same(set(), seen - {"rst", "fin"}, "what the foreign file says never holds")
    same(set(), {to for _, to in server.changes()} - {"drain", "warn"}, "told")
    if len(server.problems()) > 14:
        sys.exit("%d lines in 12 s" % len(server.problems()))
    server.switch("linger\n")
    same("held", server.opened().closed(), "at last")
    server.end()


# ---- Processes ---------------------------------------------------------------------------------------


def in_a_chroot(directory):
    root = os.path.join(directory, "root")
    # A file of the same name in there.
    os.makedirs(root + directory)
    writer("off\n")(root + directory + "/mode")
    server = Server(directory)
    server.switch("linger\n")
    clients = [server.opened() for _ in range(3)]
    same("held", clients[0].closed(), "linger")
    server.tell("chroot " + root)
    server.switch("warn\n")
    same("held", clients[1].closed(), "the last mode stays")
    os.unlink(server.control)
    time.sleep(LOOK)
    same("held", clients[2].closed(), "still")
    same([("warn", "linger")], server.changes(), "told")
    server.end()


def workers(directory):
    """Each of a family looks for itself; connections that were open before the switch are remedied."""
    server = Server(directory, workers=3)
    clients = [[server.opened(worker) for _ in range(3)] for worker in range(3)]
    for worker in range(3):
        same("rst", clients[worker][0].closed(), "warn, worker %d" % worker)
    server.switch("linger\n")
    for worker in range(3):
        same("held", clients[worker][1].closed(), "linger, worker %d" % worker)
    same(3, len({e["pid"] for e in server.events("mode")}), "each tells")
    server.switch("drain\n")
    for worker in range(3):
        same("fin", clients[worker][2].closed(), "drain, worker %d" % worker)
    server.end()


def the_lot_looks(directory):
    server = Server(directory, "linger")
    client = server.opened()
    same("held", client.closed(), "linger")
    server.switch("warn\n")
    end = time.monotonic() + 10
    while not server.changes() and time.monotonic() < end:
        time.sleep(0.1)
    same([("linger", "warn")], server.changes(), "told without a close")
    same(True, client.is_let_go(), "what lingers ends")
    same(["stopped"], [e["ended_by"] for e in server.events("linger-end")], "its end")
    server.end()


def rights(directory):
    """The lot is ended before rights are dropped, whatever the mode is by then."""
    server = Server(directory)
    clients = [server.opened() for _ in range(2)]
    server.switch("linger\n")
    same("held", clients[0].closed(), "linger")
    server.switch("warn\n")
    same("rst", clients[1].closed(), "warn")
    tasks = "/proc/%d/task" % server.process.pid
    same(2, len(os.listdir(tasks)), "the lot lives")
    server.tell("setuid %d" % NOBODY)
    same(1, len(os.listdir(tasks)), "threads after setuid")
    server.end()


def cost(directory):
    """Within a second no close asks the kernel anything of the file."""
    trace = os.path.join(directory, "trace")
    writer("warn\n")(os.path.join(directory, "mode"))
    server = Server(directory, tracer=("strace", "-f", "-o", trace,
                                       "-e", "trace=newfstatat,openat,clock_gettime,statx,read"))
    started = time.monotonic()
    server.tell("many 1000")
    seconds = time.monotonic() - started
    server.end()
    lines = open(trace).read().split("\n")
    looks = sum(server.control in line for line in lines)
    clocks = sum("clock_gettime" in line for line in lines)
    if looks > 3 + seconds or clocks > 20:
        sys.exit("%d looks and %d clocks in %.1f s" % (looks, clocks, seconds))


if __name__ == "__main__":
    globals()[sys.argv[2]](os.path.realpath(sys.argv[1]))
