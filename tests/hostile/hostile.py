"""hostile.py [OPTION...] KIND:COUNT...: one row of the table of scripts/hostile.

Starts hostile_server under SAFECLOSE_MODE=linger, honest clients (hostile_good), and so many hostile
peers of each kind (hostile_peers), all in this network namespace; waits until none lingers any more,
while the peers are still there, and prints what was seen as a row of Markdown. What is held against the
bounds comes from outside the library: the server's and its lot's tables of descriptors, its memory and
the lot's CPU time in /proc, the kernel's list of connections, and what the peers and clients say. The
library's own log must agree. Exit status 1, and a line on stderr for each, where a bound is broken.
"""
import argparse
import atexit
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

PROGRAMS = os.environ["programs"]
LIBRARY = os.environ["LIBSAFECLOSE"]
LOT_MOST, LOT_OWN = 16384, 4
OWN_NUMBERS = 7  # of RLIMIT_NOFILE, which the lot leaves free
MB = 1 << 20

# How the lingering of each kind of peer ends, the bound that counts first; evicted besides, where there
# are too many, and idle where so many want to send that some don't come to it. An urgent byte that
# another one follows is gone (tcp_check_urg): nobody can read it.
ENDS = {
    "drip": {"time"}, "urgent": {"idle"}, "flood": {"bytes", "time", "idle"},
    "crumbs": {"bytes", "time", "idle"}, "mute": {"idle"}, "deaf": {"idle"}, "glutton": {"idle"},
    "sip": {"time"}, "reset": {"peer-rst", "idle"}, "vanish": {"idle"},
}


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=float, default=5, help="SAFECLOSE_LINGER_IDLE, seconds")
    parser.add_argument("--time", type=float, default=30, help="SAFECLOSE_LINGER_TIME, seconds")
    parser.add_argument("--bytes", type=int, default=64 * MB, help="SAFECLOSE_DISCARD_MAX")
    parser.add_argument("--slowly", type=int, default=1000, help="ms between two bytes of a slow peer")
    parser.add_argument("--rate", type=int, default=20000, help="how many peers come in a second")
    parser.add_argument("--quick", type=int, default=2, help="honest clients at a time")
    parser.add_argument("--slow", type=int, default=20, help="and such that take 2 s to read")
    parser.add_argument("--alone", type=float, default=3, help="seconds that they are alone at first")
    parser.add_argument("--nofile", type=int, default=20000, help="RLIMIT_NOFILE of the server")
    parser.add_argument("--threads", nargs=2, default=[], metavar=("THREADS", "BUSY"),
                        help="of the server, with blocking calls; then judge only that most lingered")
    parser.add_argument("--stop", type=float, default=0, help="the server stands still so many seconds")
    parser.add_argument("--evicts", action="store_true", help="there is not room for all")
    parser.add_argument("--fair", type=float, default=1, help="the part of the honest that must be served")
    parser.add_argument("--storm", action="store_true", help="for the honest neither: don't judge that")
    parser.add_argument("--calm", action="store_true", help="the lot's CPU must be below 20 %%")
    parser.add_argument("--no-clock", action="store_true", help="don't judge times")
    parser.add_argument("peers", nargs="+", metavar="KIND:COUNT")
    return parser.parse_args()


def start(*command, **more):
    process = subprocess.Popen(command, executable=os.path.join(PROGRAMS, command[0]),
                               stdout=subprocess.PIPE, text=True, **more)
    # Whatever becomes of us.
    atexit.register(process.kill)
    return process


def first_line(path):
    with open(path) as file:
        return file.readline()


class Server:
    def __init__(self, option, log, mode="linger"):
        environment = dict(os.environ, LD_PRELOAD=LIBRARY, SAFECLOSE_MODE=mode, SAFECLOSE_LOG=log,
                           SAFECLOSE_LINGER_IDLE=f"{option.idle * 1000:.0f}ms",
                           SAFECLOSE_LINGER_TIME=f"{option.time * 1000:.0f}ms",
                           SAFECLOSE_DISCARD_MAX=str(option.bytes), SAFECLOSE_EXIT_WAIT="60s")
        limit = (option.nofile, option.nofile)
        self.process = start("hostile_server", *getattr(option, "threads", []), env=environment,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
        self.port = int(self.process.stdout.readline())
        self.proc = f"/proc/{self.process.pid}"
        self.lot = None
        self.lot_own = set()

    def find_lot(self):
        for tid in os.listdir(f"{self.proc}/task"):
            if first_line(f"{self.proc}/task/{tid}/comm").strip() == "safeclose-lot":
                self.lot = f"{self.proc}/task/{tid}"
        self.lot_own = {os.readlink(f"{self.lot}/fd/{number}") for number in range(LOT_OWN)}

    def descriptors(self):
        return len(os.listdir(f"{self.proc}/fd"))

    def questions(self):
        """The sockets of NETLINK_SOCK_DIAG: the lot has one from its first question on, by the kernel's number."""
        with open(f"{self.proc}/net/netlink") as file:
            words = [line.split() for line in file]
        return {f"socket:[{w[-1]}]" for w in words[1:] if w[1] == "4"}

    def in_lot(self):
        """What the lot has open but for that socket, by the kernel's numbers."""
        names = set()
        for number in os.listdir(f"{self.lot}/fd"):
            try:
                names.add(os.readlink(f"{self.lot}/fd/{number}"))
            except FileNotFoundError:
                pass
        return names - self.questions()

    def parked(self):
        """The connections that the lot has."""
        return self.in_lot() - self.lot_own

    def resident(self):
        return int(first_line(f"{self.proc}/statm").split()[1]) * os.sysconf("SC_PAGESIZE")

    def lot_cpu(self):
        return int(first_line(f"{self.lot}/schedstat").split()[0]) / 1e9

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return int(self.process.communicate(timeout=90)[0])


def tcp_memory():
    """What all of the machine's TCP connections take."""
    with open("/proc/net/sockstat") as file:
        for line in file:
            words = line.split()
            if words[0] == "TCP:":
                return int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGESIZE")
    return 0


class Watch:
    """Samples of the server, until it is told to stop."""

    def __init__(self, server):
        self.server = server
        self.samples = []
        self.since = {}
        self.longest = 0  # that one was seen to stay, seconds

    def look(self):
        s = self.server
        now, parked = time.monotonic(), s.parked()
        self.samples.append((now, len(parked), s.resident(), tcp_memory(), s.lot_cpu(),
                             s.descriptors()))
        self.since = {name: self.since.get(name, now) for name in parked}
        self.longest = max([self.longest] + [now - since for since in self.since.values()])
        return self.samples[-1][1]

    def until(self, done, seconds):
        end = time.monotonic() + seconds
        while not done(self.look()):
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def height(self, column):
        return max(sample[column] for sample in self.samples)

    def cpu_at_height(self):
        """Percent of a processor while nearly all were parked; over all where that was but a moment."""
        most = self.height(1)
        high = [s for s in self.samples if s[1] >= 0.98 * most]
        if len(high) < 3 or high[-1][0] - high[0][0] < 0.5:
            high = self.samples
        return 100 * (high[-1][4] - high[0][4]) / (high[-1][0] - high[0][0])


def tell_good(process):
    """{sort: [came, whole, median, 99th percentile, longest]}"""
    process.send_signal(signal.SIGTERM)
    return {line.split()[0]: [float(w) for w in line.split()[1:]]
            for line in process.communicate(timeout=60)[0].splitlines()}


def events_of(log):
    with open(log) as file:
        return [json.loads(line) for line in file]


def play(option, log):
    seen = {}
    server = Server(option, log)
    good = ("hostile_good", str(server.port), str(option.quick), str(option.slow))
    clients = start(*good)
    time.sleep(option.alone)
    seen["alone"] = tell_good(clients)
    server.find_lot()
    watch = seen["watch"] = Watch(server)
    watch.until(lambda parked: parked == 0, 60)
    seen["before"] = watch.samples[-1]
    watch.samples.clear()

    clients = start(*good)
    peers = start("hostile_peers", str(server.port), str(option.slowly),
                  str(option.rate), *option.peers)
    os.set_blocking(peers.stdout.fileno(), False)
    seen["came"] = watch.until(lambda parked: peers.stdout.readline() == "ready\n", 120)
    if option.stop:
        most = sum(int(p.partition(":")[2]) for p in option.peers)
        watch.until(lambda parked: parked >= most, option.idle)
        time.sleep(option.idle / 2)  # until the lot has looked whether what was written is acknowledged
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(option.stop)
        server.process.send_signal(signal.SIGCONT)
    few = option.quick + option.slow
    seen["over"] = watch.until(lambda parked: parked <= few, 2 * option.time + 60)
    seen["good"] = tell_good(clients)
    seen["over"] = watch.until(lambda parked: parked == 0, 60) and seen["over"]
    os.set_blocking(peers.stdout.fileno(), True)
    peers.send_signal(signal.SIGTERM)
    seen["peers"] = {line.split()[0]: [int(w) for w in line.split()[1:]]
                     for line in peers.communicate(timeout=60)[0].splitlines()}
    seen["after"] = watch.samples[-1]
    seen["accepted"] = server.end()
    seen["events"] = events_of(log)
    return seen


# ---- Judgement -------------------------------------------------------------------------------------

def judge_ends(option, seen, summary):
    """Each kind of peer as it must, in sum."""
    ended = summary["linger_ends"]
    good = seen["alone"]["quick"][0] + seen["alone"]["slow"][0]
    good += seen["good"]["quick"][0] + seen["good"]["slow"][0]
    least, most = {"peer-fin": 0 if option.storm else option.fair * good}, {"peer-fin": good}
    if option.storm or option.fair < 1:
        most["evicted"] = most["peer-rst"] = good
    for kind, (count, *_) in seen["peers"].items():
        ends = ENDS[kind] | ({"evicted"} if option.evicts else set())
        for end in ends:
            most[end] = most.get(end, 0) + count
        if kind == "reset":  # nobody sends one again that is lost on the way
            least["peer-rst"] = count - count // 100 - 1
        elif len(ends) == 1:
            least[min(ends)] = least.get(min(ends), 0) + count
    for end, count in ended.items():
        low, high = least.get(end, 0), most.get(end, 0)
        if not low <= count <= high:
            yield f"{count:.0f} ended by {end}, not {low:.0f} to {high:.0f}"


def judge_account(seen, summary):
    """Nothing is lost sight of."""
    accepted, closes = seen["accepted"], summary["closes"]
    if closes - 1 != accepted:  # the listening socket
        yield f"{closes} closes told of {accepted} connections"
    if summary["actions"]["lingering"] != sum(summary["linger_ends"].values()):
        yield f"{summary['actions']['lingering']} lingered, of which other ends are told: {summary}"
    if summary["actions"]["lingering"] != accepted:
        yield f"{accepted - summary['actions']['lingering']} did not linger"


def judge_bounds(option, seen):
    watch = seen["watch"]
    most = min(LOT_MOST, option.nofile - OWN_NUMBERS)
    if not seen["came"]:
        yield "the server accepts no more"
    if not seen["over"]:
        yield f"{seen['after'][1]} linger on and on"
    if watch.height(1) > most:
        yield f"{watch.height(1)} lingered at a time, of {most}"
    for event in seen["events"]:
        if event["event"] == "linger-end" and event["discarded"] > option.bytes:
            yield f"{event['discarded']} bytes of one connection were discarded"
    if seen["after"][5] != seen["before"][5]:
        yield f"the program had {seen['before'][5]} descriptors before, {seen['after'][5]} after"
    if watch.height(2) - seen["before"][2] > 16 * MB:
        yield f"{watch.height(2) - seen['before'][2]} bytes of memory were taken"
    if option.calm and watch.cpu_at_height() >= 20:
        yield f"the lot took {watch.cpu_at_height():.0f} % of a processor"


def judge_most(seen, summary):
    """Of a server with threads some can always be left alone: who uses them is not found out."""
    accepted, lingering = seen["accepted"], summary["actions"]["lingering"]
    if lingering < 0.9 * accepted:
        yield f"{lingering} of {accepted} lingered"


def judge_clock(option, seen):
    # The lot looks four times in the shorter of both; and a second for the machine.
    late = min(option.idle, option.time) / 4 + 1
    bound = option.idle if all(ENDS[k] == {"idle"} for k in seen["peers"]) else option.time
    if seen["watch"].longest > bound + late:
        yield f"one lingered for {seen['watch'].longest:.1f} s"


def judge_good(option, seen):
    for when in "alone", "good":
        for sort, (came, whole, *_) in seen[when].items():
            if whole < option.fair * came:
                yield f"{came - whole:.0f} of {came:.0f} {sort} honest clients were not served"


def judge(option, seen, summary):
    return [*judge_bounds(option, seen), *judge_ends(option, seen, summary),
            *judge_account(seen, summary), *([] if option.no_clock else judge_clock(option, seen)),
            *([] if option.storm else judge_good(option, seen))]


# ---- The row ---------------------------------------------------------------------------------------

def megabytes(*values):
    return " / ".join(f"{value / MB:.1f}" if value < 10 * MB else f"{value / MB:.0f}"
                      for value in values)


def of_good(seen, sort):
    came, whole, median, late, _ = seen["good"][sort]
    alone = seen["alone"][sort]
    return (f"{whole:,.0f} of {came:,.0f}; {alone[2]:.1f}, {alone[3]:.1f} -> {median:.1f}, {late:.1f}")


def row(option, seen, summary):
    watch, before, after = seen["watch"], seen["before"], seen["after"]
    ends = ", ".join(f"{count:,} {end}" for end, count in summary["linger_ends"].items()
                     if count and end != "peer-fin")
    peers = ", ".join(f"{count:,} {kind}" for kind, (count, *_) in seen["peers"].items())
    most = max(p[3] for p in seen["peers"].values())
    return " | ".join([
        "", peers, f"{option.idle:g}, {option.time:g} s, {option.bytes / MB:g} MB", f"{watch.height(1):,}",
        ends, f"{watch.longest:.1f}", megabytes(most),
        megabytes(before[2], watch.height(2), after[2]), megabytes(before[3], watch.height(3), after[3]),
        f"{watch.cpu_at_height():.1f}", of_good(seen, "quick"), of_good(seen, "slow"), ""]).strip()


def main():
    option = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as place:
        seen = play(option, os.path.join(place, "log"))
    summary = seen["events"][-1]
    print(row(option, seen, summary), flush=True)
    if option.threads:
        broken = list(judge_most(seen, summary))
    else:
        broken = judge(option, seen, summary)
    for line in broken[:20]:
        print(f"hostile: {' '.join(option.peers)}: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
