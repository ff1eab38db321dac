"""attack.py [OPTION...]: a server under attack by children of another user (attack.h), again and again.

A generation is one server (attack) under SAFECLOSE_MODE=linger with honest clients: it serves, forks,
drops its rights, and exits with connections that linger, while its attackers write into whatever memory
they share with it and send whatever they can to it. What is held against the bounds comes from outside the
library: the server's end, its threads' rights and its lot's table of descriptors in /proc, the kernel's list
of connections, and what the clients got. The log may name no process and no address but those of the
generation. Prints the seed first; at the end a row of Markdown, and a line on stderr for each kind of fault.
Exit status 1 where there was one, or where nothing was written or nothing was sent.
"""
import argparse
import collections
import glob
import json
import mmap
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PROGRAMS = os.environ["programs"]
LIBRARY = os.environ["LIBSAFECLOSE"]
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

ANSWER = 300000
PATTERN = bytes((i * 31 + i // 251) & 255 for i in range(ANSWER))
BODY = b"b" * 20000
IDLE, TIME, EXIT_WAIT = 1, 3, 2  # seconds; a client needs half of one
EXTRA_MOST = 100  # descriptors in the lot beyond what honest clients have lingering
LOT_OWN = 4
COMMAND_WAIT = 8  # the library itself may wait 2 s for its lot, at each of three changes of rights
CLIENT_WAIT = 6
CLIENTS = ("quick", "slow", "slow", "slow", "forked")
VARIANTS = ("raw", "early", "late")
SENDS, WRITES, ROUGH = range(3)  # enum attack_manner
SLOW = 0  # enum attack_speed
MANNERS = (SENDS, WRITES, ROUGH, WRITES)
SERVER_USER = 60003
CLIENT_PORTS = 10000
SERVER, CLIENT, ATTACKER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
COUNTS = ("attackers", "mappings", "sockets", "words", "messages", "descriptors")
TALLY = struct.Struct(f"={len(COUNTS) * len(VARIANTS)}Q65536s")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10, help="how long in all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--generation", type=int, help="play this one of the seed's alone")
    parser.add_argument("--preload", default="", help="what is loaded before the library (sanitizers)")
    parser.add_argument("--mode", default="linger", help="the library's; others show what clients lose")
    parser.add_argument("--tolerate", default="", help="kinds of faults, told but no failure: alone,stolen")
    parser.add_argument("--title", default="", help="of the row")
    parser.add_argument("--calm", action="store_true", help="without attackers")
    parser.add_argument("--verbose", action="store_true", help="report each generation and fault")
    parser.add_argument("--keep", help="a directory for the logs of generations with faults")
    return parser.parse_args()


class Tally:
    """What the attackers say that they did, in memory that they share with us (struct attack_tally)."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(TALLY.size)
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), TALLY.size)

    def read(self):
        *numbers, ports = TALLY.unpack(self.map[:])
        rows = [numbers[i:i + len(VARIANTS)] for i in range(0, len(numbers), len(VARIANTS))]
        return dict(zip(COUNTS, rows)), ports


# ---- Honest clients --------------------------------------------------------------------------------

class Clients:
    """Some at a time, one after the other each. Every one sends a part of what it has only when the server has
    answered and closed, and must get every byte and then the end."""

    def __init__(self, port):
        self.port = port
        self.going = threading.Event()
        self.over = False
        self.lock = threading.Lock()
        self.waiting = 0  # have connected, or are about to, and no byte of an answer yet
        self.active = 0
        self.next_port = CLIENT_PORTS
        self.results = []  # (sort, port, "" or what went wrong)
        self.threads = [threading.Thread(target=self.work, args=(sort,), daemon=True) for sort in CLIENTS]
        for thread in self.threads:
            thread.start()

    def count(self, waiting, active):
        with self.lock:
            self.waiting += waiting
            self.active += active

    def own_port(self):
        """One that no other client of this server has or had: the log knows them by it."""
        with self.lock:
            self.next_port += 1
            return self.next_port

    def may_begin(self):
        with self.lock:
            if self.over or not self.going.is_set():
                return False
            self.waiting += 1
            self.active += 1
            return True

    def work(self, sort):
        while not self.over:
            if not self.going.wait(0.1) or not self.may_begin():
                continue
            state = {"waits": True, "port": 0}
            try:
                wrong = self.play(sort, state)
            except OSError as error:
                wrong = f"{state.get('got', 0)} bytes, then {error.strerror or error}"
            self.heard(state)
            self.count(0, -1)
            self.results.append((sort, state["port"], wrong))
            time.sleep(0.005 if sort == "slow" else 0.08)

    def heard(self, state):
        if state["waits"]:
            state["waits"] = False
            self.count(-1, 0)

    def play(self, sort, state):
        with socket.socket() as s:
            s.settimeout(CLIENT_WAIT)
            if sort == "slow":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            state["port"] = self.own_port()
            s.bind((CLIENT, state["port"]))
            s.connect((SERVER, self.port))
            s.sendall(struct.pack("=II", ANSWER, sort == "forked") + BODY)
            return self.read(s, sort, state)

    def read(self, s, sort, state):
        got, reads = 0, 0
        while data := s.recv(16384 if sort == "slow" else 65536):
            self.heard(state)
            if data != PATTERN[got:got + len(data)]:
                return f"other bytes at {got}"
            got += len(data)
            state["got"] = got
            reads += 1
            if reads % 4 == 1:  # late: the server has closed by now
                s.sendall(BODY[:500])
            if sort == "slow":
                time.sleep(0.02)
        return "" if got == ANSWER else f"{got} bytes, then the end"

    def quiet(self, which, seconds):
        """No new ones; until none waits for its answer, or none is left."""
        with self.lock:
            self.going.clear()
        end = time.monotonic() + seconds
        while getattr(self, which):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join(2 * CLIENT_WAIT)


# ---- The server, from outside ----------------------------------------------------------------------

def read_file(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def listed(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def inodes_of(port):
    """Of the connections of this port that somebody holds."""
    mine = f":{port:04X}"
    rows = (line.split() for line in read_file("/proc/net/tcp").splitlines()[1:])
    return {row[9] for row in rows if row[1].endswith(mine)} - {"0"}


class Hang(Exception):
    pass


class Server:
    def __init__(self, option, place, tally):
        environment = {
            "LD_PRELOAD": ":".join(filter(None, option.preload.split(":") + [LIBRARY])),
            "SAFECLOSE_MODE": option.mode, "SAFECLOSE_LOG": os.path.join(place, "log"),
            "SAFECLOSE_LINGER_IDLE": f"{IDLE}s", "SAFECLOSE_LINGER_TIME": f"{TIME}s",
            "SAFECLOSE_EXIT_WAIT": f"{EXIT_WAIT}s",
            "ASAN_OPTIONS": f"detect_leaks=0:detect_stack_use_after_return=0:log_path={place}/sanitizer",
            "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={place}/sanitizer",
        }
        self.errors = open(os.path.join(place, "stderr"), "w")
        self.process = subprocess.Popen(
            [os.path.join(PROGRAMS, "attack"), tally], env=dict(os.environ, **environment), bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True)
        self.pid = self.process.pid
        self.text = b""
        self.lines = collections.deque()
        self.pids = {"server": {self.pid}, "child": set(), "worker": set(), "attacker": set()}
        self.gone = {}  # pid: status of waitpid
        self.tids = set()
        self.since = {}  # of the honest connections in the lot
        self.lots = self.extra = self.parked = 0
        self.longest = 0.0
        self.port = 0

    def take(self, seconds):
        """Reads what there is; False where there was nothing, or it is the end."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return False
        data = os.read(self.process.stdout.fileno(), 65536)
        *lines, self.text = (self.text + data).split(b"\n")
        for line in lines:
            word, *rest = line.decode().split()
            if word in self.pids:
                self.pids[word].add(int(rest[0]))
            elif word == "gone":
                self.gone[int(rest[0])] = int(rest[1])
                continue
            self.lines.append((word, *rest))
        return bool(data)

    def wait_for(self, word):
        end = time.monotonic() + COMMAND_WAIT
        while True:
            while self.lines:
                found, *rest = self.lines.popleft()
                if found == word:
                    return rest[0] if rest else ""
            if not self.take(0.1) and self.process.poll() is not None:
                raise EOFError(word)
            if time.monotonic() > end and not self.lines:
                raise Hang(f"waited for \"{word}\" for {COMMAND_WAIT} s: {self.threads()}")

    def order(self, command, answer):
        try:
            self.process.stdin.write(command.encode() + b"\n")
        except BrokenPipeError:
            raise EOFError(command) from None
        return self.wait_for(answer)

    def threads(self):
        """For a fault: what each is at."""
        return ", ".join(
            " ".join([read_file(f"/proc/{self.pid}/task/{tid}/{what}").strip() or "?"
                      for what in ("comm", "wchan")]) for tid in listed(f"/proc/{self.pid}/task"))

    def find_lots(self):
        task = f"/proc/{self.pid}/task"
        lots = [tid for tid in listed(task) if read_file(f"{task}/{tid}/comm") == "safeclose-lot\n"]
        self.tids.update(map(int, lots))
        self.lots = max(self.lots, len(lots))
        return [f"{task}/{tid}/fd" for tid in lots]

    def links(self, directory):
        for number in listed(directory):
            try:
                yield os.readlink(f"{directory}/{number}")
            except OSError:
                pass

    def look(self):
        """A sample of what the lot has."""
        honest = inodes_of(self.port)
        held = [list(self.links(directory)) for directory in self.find_lots()]
        honest |= inodes_of(self.port)
        now = time.monotonic()
        mine = {link for links in held for link in links if link[8:-1] in honest}
        self.parked = max(self.parked, len(mine))
        for links in held:
            self.extra = max(self.extra, len([link for link in links if link not in mine]) - LOT_OWN)
        self.since = {link: self.since.get(link, now) for link in mine}
        self.longest = max([self.longest] + [now - since for since in self.since.values()])

    def old_rights(self):
        """Of each thread that is not the new user through and through."""
        for tid in listed(f"/proc/{self.pid}/task"):
            status = read_file(f"/proc/{self.pid}/task/{tid}/status")
            found = {m[1]: m[2].split() for m in re.finditer(r"^(\w+):\t?(.*)$", status, re.M)}
            wanted = [str(SERVER_USER)] * 4
            if status and (found["Uid"] != wanted or found["Gid"] != wanted or found["Groups"] or
                           int(found["CapEff"][0], 16) or int(found["CapPrm"][0], 16)):
                yield f"{found['Name'][0]} has user {found['Uid']}, group {found['Gid']}"

    def kill(self):
        """And all of its children."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()


# ---- One generation --------------------------------------------------------------------------------

class Generation:
    def __init__(self, option, number, place):
        self.option, self.number, self.place = option, number, place
        self.chance = random.Random(f"{option.seed} {number}")
        self.manner = MANNERS[number % len(MANNERS)]
        self.slow = self.manner == SENDS and number // len(MANNERS) % 2 == 0
        self.variants = set()  # of the attackers that write
        self.alone = []
        self.faults = []  # (kind, words)
        self.tally = Tally(os.path.join(place, "tally"))
        self.server = self.clients = None
        self.at = ""  # the command at which it was gone
        self.took = {}  # seconds: of the drop, of the exit

    def fault(self, kind, words):
        self.faults.append((kind, words))

    def begin_attack(self):
        """One alone, whose writing nobody disturbs, or some, of each speed if they may be fast."""
        for i in range(self.chance.choice([1, 2, 2, 3])):
            variant = (self.number + i) % len(VARIANTS)
            if self.manner != SENDS:
                self.variants.add(VARIANTS[variant])
            speed = SLOW if self.slow else (self.number // 2 + i + 1) % 2
            self.server.order(f"attack {variant} {speed} {self.manner} {self.chance.randrange(1 << 62)}",
                              "attacker")

    def go_on(self, seconds):
        """The clients come, and a worker now and then."""
        self.clients.going.set()
        end = time.monotonic() + seconds
        worker = time.monotonic() + self.chance.uniform(0, seconds)
        while time.monotonic() < end:
            self.server.take(0.1)
            if self.server.process.poll() is not None:
                raise EOFError("serving")
            self.server.look()
            if time.monotonic() > worker:
                worker = end
                self.server.order(f"worker {self.chance.randrange(1, 4)}", "worker")

    def timed(self, what, command, answer):
        start = time.monotonic()
        self.server.order(command, answer)
        self.took[what] = time.monotonic() - start

    def check_rights(self):
        for words in self.server.old_rights():
            self.fault("rights", f"after setuid {words}")

    def drop(self):
        if not self.clients.quiet("active", CLIENT_WAIT):
            raise Hang(f"clients are not served: {self.server.threads()}")
        self.timed("drop", "drop", "dropped")
        self.check_rights()

    def end(self):
        """At last with connections that linger: those whose clients have begun to read."""
        if not self.clients.quiet("waiting", CLIENT_WAIT):
            raise Hang(f"clients are not served: {self.server.threads()}")
        self.server.look()
        self.check_rights()
        start = time.monotonic()
        self.server.order("end", "served")
        while self.server.process.poll() is None:
            if time.monotonic() - start > EXIT_WAIT + 5:
                raise Hang(f"the exit takes more than {EXIT_WAIT + 5} s: {self.server.threads()}")
            self.server.take(0.02)
        self.took["exit"] = time.monotonic() - start
        while self.server.take(0):
            pass

    def play(self):
        try:
            self.server = Server(self.option, self.place, self.tally.path)
            self.server.port = int(self.server.wait_for("port"))
            self.clients = Clients(self.server.port)
            self.go_on(0.2)
            if not self.option.calm:
                self.begin_attack()
            self.go_on(self.chance.uniform(0.4, 0.9))
            self.drop()
            self.go_on(self.chance.uniform(0.4, 0.9))
            self.end()
        except Hang as hang:
            self.fault("hang", str(hang))
        except EOFError as at:
            self.at = f" at \"{at}\""
        finally:
            self.finish()
        self.judge()

    def finish(self):
        if not self.server:
            return
        crashed = self.server.process.poll()
        if self.clients and crashed == 0:
            self.clients.end()
        self.server.kill()
        if self.clients:
            self.clients.end()
        if crashed or self.at:
            self.fault("crash", f"the server ended with {crashed}{self.at}{self.complaint(self.server.pid)}")

    def complaint(self, pid):
        """What a sanitizer said of this process."""
        text = "".join(read_file(path) for path in glob.glob(f"{self.place}/sanitizer*.{pid}"))
        found = re.search(r"(ERROR: .*|runtime error: .*)", text)
        where = re.findall(r"#\d+ 0x\w+ in (\w+)", text)
        return f": {found[1]} in {' '.join(where[:4])}" if found else ""

    # ---- Judgement

    def judge(self):
        self.judge_children()
        self.judge_lot()
        if self.clients and not any(kind in ("crash", "hang") for kind, _ in self.faults):
            self.judge_clients()
        self.judge_log()

    def judge_children(self):
        for pid, status in self.server.gone.items():
            if status and pid not in self.server.pids["attacker"]:
                self.fault("crash", f"a child ended with {status:#x}{self.complaint(pid)}")

    def judge_lot(self):
        if self.server.extra > EXTRA_MOST:
            self.fault("descriptors", f"{self.server.extra} in the lot are no honest client's")
        if self.server.longest > TIME + 1.5:
            self.fault("stuck", f"a client's connection was in the lot for {self.server.longest:.1f} s")

    def judge_clients(self):
        """What others share with the library, or send it, may make it leave a connection alone, or drain it
        and close, and then it says so. Of what it says lingers every byte must arrive. Whoever changes its user
        by a raw system call keeps the memory in which its family counts, and can use up the limit of events."""
        for sort, port, wrong in self.clients.results:
            if not wrong:
                continue
            said = self.said(port)
            words = f"a {sort} client got {wrong}; the log says {said}"
            if sort == "forked" and "server: lingering" in said:
                self.fault("stolen", words)
            elif self.left_alone(said):
                self.alone.append(words)
            else:
                self.fault("client", words)
        self.judge_alone()

    def judge_alone(self):
        """Where nobody wrote there is no excuse but a full queue: a flood may fill it for moments."""
        allowed = 0 if self.slow else len(self.clients.results) // 4
        if self.manner == SENDS and len(self.alone) > allowed:
            for words in self.alone:
                self.fault("alone", words)

    def left_alone(self, said):
        if said == "nothing":
            return self.suppressed() or self.variants & {"raw", "early"}
        return "passed" in said or "drained" in said

    def suppressed(self):
        return any(re.search(r'"suppressed":[1-9]', line) for line in self.log())

    def said(self, port):
        """What the log says of this client's connection, in short."""
        lines = [line for line in self.log() if f'"peer":"{CLIENT}:{port}"' in line]
        words = [re.findall(r'"(?:action|note|ended_by)":"([^"]+)"|"(?:pid)":(\d+)', line) for line in lines]
        words = [[self.who(pid) if pid else name for name, pid in found] for found in words]
        return ", then ".join(" ".join(found) for found in words) or "nothing"

    def who(self, pid):
        return next((name for name, pids in self.server.pids.items() if int(pid) in pids), pid) + ":"

    def log(self):
        return read_file(os.path.join(self.place, "log")).splitlines()

    def judge_log(self):
        names = Names(self)
        for line in self.log():
            for words in names.wrong(line):
                self.fault("log", f"{words}: {line}")


def table(name):
    """The names in the log that a table of the library's lists."""
    found = glob.glob(f"{TOP}/shim/**/{name}.def", recursive=True)
    assert found, name
    return set(re.findall(r'^[A-Z]+\(\w+, "([^"]*)"', read_file(found[0]), re.M))


ENUMS = {"cause": table("causes"), "note": table("reasons"), "content": table("content"),
         "via": table("doors"), "ended_by": table("ends"),
         "action": {"none", "drained", "draining", "lingering", "passed"},
         "outcome": {"fin", "rst", "none", "unknown"},
         "event": {"close", "close-end", "linger-end", "start", "mode", "summary"}}


class Names:
    """What a line may name."""

    def __init__(self, generation):
        server = generation.server
        self.honest = server.pids["server"] | server.pids["child"] | server.pids["worker"]
        self.attackers = server.pids["attacker"]
        self.tids = server.tids
        last = generation.clients.next_port if generation.clients else 0
        self.clients = {f"{CLIENT}:{port}" for port in range(CLIENT_PORTS, last + 1)}
        self.server = f"{SERVER}:{server.port}"
        self.ports = generation.tally.read()[1]

    def is_attackers(self, address):
        host, _, port = address.rpartition(":")
        return host == ATTACKER and port.isdigit() and int(port) < 65536 and self.ports[int(port)] == 1

    def wrong_pids(self, event, attackers):
        pids = self.attackers if attackers else self.honest
        if event["pid"] not in pids:
            yield f"the pid is none of {'an attacker' if attackers else 'the server or its children'}"
        # An attacker that has the library may have a lot of its own, which believes what its process says.
        if not attackers and "tid" in event and event["tid"] != event["pid"] and event["tid"] not in self.tids:
            yield "the tid is none"

    def wrong(self, line):
        try:
            event = json.loads(line)
        except ValueError:
            yield "no JSON"
            return
        for key, values in ENUMS.items():
            if key in event and event[key] not in values:
                yield f"no such {key}"
        local, peer = event.get("local") or "", event.get("peer") or ""
        if not local and not peer:
            if event["pid"] not in self.honest | self.attackers:
                yield "the pid is none"
        elif local in ("", self.server) and peer in self.clients | {""}:
            yield from self.wrong_pids(event, False)
        elif all(not end or self.is_attackers(end) for end in (local, peer)):
            yield from self.wrong_pids(event, True)
        else:
            yield "there was no such connection"


# ---- All of them -----------------------------------------------------------------------------------

class Record:
    def __init__(self, option):
        self.option = option
        self.generations = 0
        self.done = {name: [0] * len(VARIANTS) for name in COUNTS}
        self.alone = 0
        self.clients = collections.Counter()  # (sort, manner): how many
        self.whole = collections.Counter()
        self.kinds = collections.Counter()  # generations with such a fault
        self.examples = {}
        self.most = collections.Counter()

    def add(self, generation):
        self.generations += 1
        for name, row in generation.tally.read()[0].items():
            self.done[name] = [a + b for a, b in zip(self.done[name], row)]
        server = generation.server
        self.alone += len(generation.alone)
        self.most["extra"] = max(self.most["extra"], server.extra)
        self.most["parked"] = max(self.most["parked"], server.parked)
        for what, seconds in generation.took.items():
            self.most[what] = max(self.most[what], seconds)
        for sort, _, wrong in generation.clients.results if generation.clients else ():
            self.clients[sort, generation.manner] += 1
            self.whole[sort, generation.manner] += not wrong
        for kind in {kind for kind, _ in generation.faults}:
            self.kinds[kind] += 1
        for kind, words in generation.faults:
            self.examples.setdefault(kind, (generation.number, words))

    def judge_attack(self):
        """An attack that did nothing proves nothing, and neither does one that hit nobody."""
        if self.option.calm:
            return
        for what in "words", "messages", "descriptors":
            if sum(self.done[what]) == 0:
                self.kinds[f"no {what}"] += 1
                self.examples[f"no {what}"] = (-1, "the attackers did nothing")

    def served(self):
        whole = self.whole.total()
        if self.option.mode == "linger" and self.most["parked"] == 0 or whole == 0:
            self.kinds["no client"] += 1
            self.examples["no client"] = (-1, "no honest client was served, or none lingered")

    def row(self):
        def of(*manners):
            whole = sum(n for (_, manner), n in self.whole.items() if manner in manners)
            return f"{whole:,} of {sum(n for (_, m), n in self.clients.items() if m in manners):,}"

        did = "<br>".join(
            f"{name}: " + ", ".join(f"{self.done[what][i]:,} {what}" for what in COUNTS)
            for i, name in enumerate(VARIANTS))
        return " | ".join([
            "", self.option.title, str(self.generations), did, of(SENDS), of(WRITES, ROUGH), f"{self.alone:,}",
            f"{self.most['parked']}, {self.most['extra']}", f"{self.most['drop']:.1f}, {self.most['exit']:.1f}",
            ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common()) or "none", ""]).strip()


def keep(option, generation, place):
    target = os.path.join(option.keep, f"{option.seed}.{generation.number}")
    os.makedirs(target, exist_ok=True)
    for name in os.listdir(place):
        if name != "tally":
            with open(f"{target}/{name}", "w") as file:
                file.write(read_file(f"{place}/{name}"))


def play(option, record, number):
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        generation = Generation(option, number, place)
        generation.play()
        record.add(generation)
        if option.verbose:
            print(f"generation {number}: {generation.manner} {generation.took}", flush=True)
            for kind, words in generation.faults[:8]:
                print(f"  {kind}: {words}", flush=True)
        if option.keep and generation.faults:
            keep(option, generation, place)


def main():
    option = options()
    if os.geteuid() != 0:
        sys.exit("attack: unable to drop rights that it doesn't have: needs root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"seed {option.seed}", flush=True)
    record = Record(option)
    end = time.monotonic() + option.seconds
    number = option.generation or 0
    while record.generations == 0 or (option.generation is None and time.monotonic() < end):
        play(option, record, number)
        number += 1
    record.judge_attack()
    record.served()
    print(record.row(), flush=True)
    for kind, (number, words) in record.examples.items():
        print(f"attack: seed {option.seed}: {record.kinds[kind]} x {kind}, first in generation {number}: "
              f"{words}", file=sys.stderr)
    return 1 if set(record.kinds) - set(option.tolerate.split(",")) else 0


if __name__ == "__main__":
    sys.exit(main())
