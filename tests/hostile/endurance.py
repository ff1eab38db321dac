"""endurance.py MODE COUNT: so many connections through one server, as a row of Markdown.

Starts hostile_server in mode log or linger and endurance_clients, in this network namespace. The server's
memory and descriptors, and its lot's, must stay what they are; the clients must have got what the mode
promises; and every close that has something to tell, as the clients' numbers say, must be in the log or
be counted as suppressed or lost. Exit status 1, and a line on stderr for each, where something is amiss.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

import hostile

KB = 1024
WARM_UP, KINDS = 102, 6
# Closes with unread data, and ends of lingering that have something to tell, by the kind of client.
CLOSES = ("unread", "unread-late")
ENDS = ("unread", "late", "unread-late")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("log", "linger"))
    parser.add_argument("count", type=int)
    option = parser.parse_args()
    # What the server is started with; bounds that nothing here comes to.
    option.idle, option.time, option.bytes, option.nofile = 60, 60, 64 << 20, 1024
    return option


def counter(name):
    """OutRsts and the like, of this network namespace."""
    with open("/proc/net/snmp") as file:
        rows = [line.split() for line in file if line.startswith("Tcp:")]
    return int(dict(zip(*rows))[name])


def look(server):
    return (server.resident(), server.descriptors(), len(server.parked()) if server.lot else 0,
            hostile.tcp_memory())


def has_connections(server):
    """Whether one waits to be accepted, is the server's or its lot's, or is on its way between them."""
    with open("/proc/net/tcp") as file:
        lines = [line.split() for line in file][1:]
    return any(int(line[1].split(":")[1], 16) == server.port and line[3] != "0A" and
               (line[9] != "0" or line[3] in ("01", "08")) for line in lines)


def play(option, log):
    seen = {"resets": counter("OutRsts")}
    server = hostile.Server(option, log, option.mode)
    # The first ones take what is taken only once.
    subprocess.run([os.path.join(hostile.PROGRAMS, "endurance_clients"), str(server.port), str(WARM_UP)],
                   check=True, stdout=subprocess.DEVNULL)
    if option.mode == "linger":
        server.find_lot()
    start = time.monotonic()
    clients = hostile.start("endurance_clients", str(server.port), str(option.count))
    seen["samples"] = [look(server)]
    while clients.poll() is None:
        time.sleep(0.1 if option.count < 100000 else 1)
        seen["samples"].append(look(server))
    seen["seconds"] = time.monotonic() - start
    seen["clients"] = {line.split()[0]: [int(w) for w in line.split()[1:]] for line in clients.stdout}
    seen["clients_failed"] = clients.returncode
    end = time.monotonic() + 60
    while has_connections(server) and time.monotonic() < end:
        time.sleep(0.1)
    seen["samples"].append(look(server))
    seen["own"] = len(server.in_lot()) if server.lot else 0
    seen["resets"] = counter("OutRsts") - seen["resets"]
    seen["accepted"] = server.end()
    seen["events"] = hostile.events_of(log)
    return seen


def judge_flat(seen):
    samples = seen["samples"]
    # After the first tenth, of which some goes into tables as large as the most that were ever there.
    settled, last = samples[len(samples) // 10], samples[-1]
    if last[0] - settled[0] > 512 * KB:
        yield f"{last[0] - settled[0]} bytes of memory more than at first"
    # On a busy machine there may be connections already when it is looked at first.
    least = min(sample[1] for sample in samples)
    if last[1] > least:
        yield f"{least} descriptors at least, {last[1]} at last"
    if last[2]:
        yield f"{last[2]} linger on and on"
    if seen["own"] not in (0, hostile.LOT_OWN):
        yield f"the lot has {seen['own']} descriptors of its own, not {hostile.LOT_OWN}"


def unparked(option, seen, summary):
    """How many found the lot's queue full, which is told of those with unread data (lot-full). Where it
    has no CPU for long more can't be passed on than RLIMIT_NOFILE allows to be under way."""
    should = sum(count + WARM_UP // KINDS for kind, (count, _) in seen["clients"].items()
                 if kind != "half-closed")
    missing = should - summary["actions"]["lingering"] if option.mode == "linger" else 0
    return max(0, missing) if any(e.get("note") == "lot-full" for e in seen["events"]) else 0


def judge_clients(option, seen, summary):
    if seen["clients_failed"]:
        yield "the clients failed"
    for kind, (count, whole) in seen["clients"].items():
        if whole != count and not unparked(option, seen, summary) and (option.mode == "linger" or kind not in ENDS):
            yield f"{count - whole} of {count} clients of the kind {kind} were not served"
    # Clients reset too, one kind of them.
    own = seen["clients"]["reset"][0] + WARM_UP // KINDS
    late = unparked(option, seen, summary)
    if option.mode == "linger" and not own <= seen["resets"] <= own + late:
        yield f"{seen['resets'] - own} resets were sent by the server"


def attempts(option, seen):
    """How many events there must have been, by what the clients did."""
    def count(kinds):
        return sum(seen["clients"][kind][0] + WARM_UP // KINDS for kind in kinds)
    return count(CLOSES) + (count(ENDS) if option.mode == "linger" else 0)


def written(seen):
    return sum(e["event"] in ("close", "linger-end") for e in seen["events"])


def judge_account(option, seen, summary):
    told = written(seen) + summary["suppressed"] + summary["lost"]
    lingering = summary["actions"]["lingering"]
    if summary["closes"] - 1 != seen["accepted"] or seen["accepted"] != option.count + WARM_UP:
        yield f"{summary['closes']} closes told of {seen['accepted']} of {option.count} connections"
    wanted = attempts(option, seen)
    if not wanted - unparked(option, seen, summary) <= told <= wanted:
        yield f"{told} events written, suppressed or lost, of {attempts(option, seen)}"
    if lingering != sum(summary["linger_ends"].values()):
        yield f"{lingering} lingered, but {summary['linger_ends']}"
    if summary["causes"]["unread-data"] != sum(seen["clients"][k][0] + WARM_UP // KINDS for k in CLOSES):
        yield f"{summary['causes']} with data unread"
    if sum(summary["causes"].values()) != summary["closes"]:
        yield f"{summary['causes']} of {summary['closes']}"


def row(option, seen, summary):
    resident = [s[0] for s in seen["samples"]]
    tenth = resident[len(resident) // 10]
    ends = ", ".join(f"{n:,} {end}" for end, n in summary["linger_ends"].items() if n)
    return " | ".join([
        "", option.mode, f"{seen['accepted']:,}", f"{seen['accepted'] / seen['seconds']:,.0f}",
        " / ".join(f"{r / KB:,.0f}" for r in (resident[0], tenth, max(resident), resident[-1])),
        f"{seen['samples'][0][1]} / {seen['samples'][-1][1]}", f"{max(s[2] for s in seen['samples'])}",
        f"{attempts(option, seen):,} = {written(seen):,} + {summary['suppressed']:,} + {summary['lost']:,}",
        f"{unparked(option, seen, summary):,}", f"{summary['actions']['lingering']:,}" + (f" = {ends}" if ends else ""),
        f"{seen['resets'] - seen['clients']['reset'][0] - WARM_UP // KINDS:,}", ""]).strip()


def main():
    option = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as place:
        seen = play(option, os.path.join(place, "log"))
    summary = seen["events"][-1]
    print(row(option, seen, summary), flush=True)
    amiss = [*judge_flat(seen), *judge_clients(option, seen, summary), *judge_account(option, seen, summary)]
    for line in amiss:
        print(f"endurance: {option.mode}: {line}", file=sys.stderr)
    return 1 if amiss else 0


if __name__ == "__main__":
    sys.exit(main())
