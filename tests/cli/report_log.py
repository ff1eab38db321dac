"""Logs as the library writes them, for tests of "safeclose report": report_log.py WHAT [ARGUMENT...]"""
import json
import random
import sys

TIME = "2026-11-29T%02d:%02d:%02d.%06dZ"


def time(second):
    return TIME % (9 + second // 3600, second // 60 % 60, second % 60, 0)


def event(kind, second=0, **keys):
    return {"v": 1, "time": time(second), "event": kind, "pid": 10, **keys}


def close(second=0, **keys):
    e = event("close", second, tid=10, comm="server", via="close", fd=5, proto="tcp", local="127.0.0.1:8080",
              peer="10.0.0.1:40000", state="ESTABLISHED", cause="unread-data", unread=5, unacked=0, unsent=0,
              action="none", outcome="rst", confirmed=True, discarded=0, opened_by="peer", progress="answered", content="binary", note="", preview="",
              stack=["/srv/server+0x1a4c", "/srv/server+0x12f0"], truncated=False, urgent=False,
              cookie="0x%x" % (second + 1), netns=4026531840, mono_ns=second)
    e.update(keys)
    return e


def put(*events):
    for e in events:
        print(json.dumps(e, separators=(",", ":")))


def mixed(count):
    """Many closes that differ in all that is added up. Always the same."""
    draw = random.Random(1)
    put(event("start", comm="server", executable="/srv/server", build_id="ab", mode="log", version="0"))
    for i in range(int(count)):
        cause = draw.choice(["unread-data", "unread-data", "zero-linger", "none"])
        lost = draw.choice([0, 0, draw.randrange(1, 5000000)]) if cause == "unread-data" else 0
        put(close(i, pid=draw.randrange(10, 14), cause=cause,
                  via=draw.choice(["close", "close", "dup2", "exit"]),
                  peer="10.0.0.%d:%d" % (draw.randrange(1, 9), 40000 + i % 9000),
                  local="127.0.0.1:%d" % draw.choice([80, 8080]),
                  unread=draw.randrange(1, 90000) if cause == "unread-data" else 0,
                  unacked=lost, unsent=lost // 2, confirmed=draw.random() < 0.9,
                  outcome="fin" if cause == "none" else draw.choice(["rst", "rst", "rst", "unknown", "none"]),
                  stack=["/srv/server+0x%x" % draw.choice([16, 32, 48]), "/srv/server+0x99"]))
    put(event("summary", int(count), comm="server", mode="log", closes=int(count) * 3, causes={"none": 1},
              outcomes={"rst": 7, "unknown": 1}, confirmed=7, suppressed=12, lost=3, so_far=False))


def hostile():
    """Everything that a log can hold of others: markup, escapes for terminals, Prometheus and flame graphs."""
    evil = "<script>alert(1)</script>\x1b[31m\"'&;\n\\ \u202e}"
    put(event("start", comm=evil, executable="/srv/" + evil, build_id=evil, mode="log", version="0"),
        close(1, comm=evil, peer=evil + ":1", local=evil, via=evil, cause=evil, content=evil, note=evil,
              stack=["/srv/" + evil + "+0x10", evil, "+0x", "", "/../../etc/passwd+0x1", "/dev/zero+0x5"]),
        close(2, comm=evil, stack=["/srv/x+0x%x" % i for i in range(500)]),
        close(3, unread=8000000000, unacked=8000000000, unsent=8000000000),
        close(4, comm=evil, via=evil, cause=evil, stack=[]),
        event("start", comm="sh", executable="/bin/sh", build_id=evil, mode="log", version="0"),
        event("start", comm="sh", executable="/bin/cat", build_id="\x1b[2J", mode="log", version="0"),
        close(5, comm="sh", stack=["/bin/sh+0x1234", "/bin/cat+0x1234"]))


def broken():
    """Lines that are no events; each has to be counted, and none to be fatal."""
    sys.stdout.flush()
    for line in (b"{", b"[]", b"{}", b"null", b'{"v":1}', b"\xff\xfe\x00\x01", b"a" * 300000,
                 b'{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"close","pid":1e99}',
                 b'{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"close","cause":"x","outcome":"rst","unread":-1}',
                 b'{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"close","cause":"x","outcome":"rst",'
                 b'"unread":99999999999999999999999}',
                 b'{"v":1,"time":"yesterday","event":"close","cause":"x","outcome":"rst"}',
                 b'{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"close","cause":"x","outcome":"rst"',
                 b'{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"close","cause":"x","outcome":"rst","stack":['):
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.flush()
    put(close(1))


def sites(count):
    """A different call site for each close; one of them is heavy, and comes again and again."""
    for i in range(int(count)):
        put(close(i % 30000, stack=["/srv/server+0x%x" % (16 + 16 * i)]))
        if i % 100 == 0:
            put(close(i % 30000, unacked=1000, unsent=1, stack=["/srv/heavy+0x7"]))


def deep(count):
    """A different stack for each close, as deep as is kept."""
    for i in range(int(count)):
        put(close(i % 30000, stack=["/srv/server+0x%x" % (16 + i * 32 + frame) for frame in range(32)]))


def lingering():
    """Closes that are told by two events each."""
    put(close(1, action="lingering", outcome="fin", unacked=100, cookie="0x1"),
        close(2, action="lingering", outcome="fin", unacked=200, cookie="0x2"),
        close(3, outcome="none", note="held", cookie="0x3"),
        event("linger-end", 4, **{**close(4, action="lingering", outcome="fin", cookie="0x1", stack=[]),
                                  "event": "linger-end", "ended_by": "peer-fin", "ms": 40}),
        event("linger-end", 5, **{**close(5, action="lingering", outcome="rst", unacked=30, unsent=10, cookie="0x2",
                                          stack=[]), "event": "linger-end", "ended_by": "time", "ms": 30000}),
        event("close-end", 6, **{**close(6, outcome="rst", unacked=7, unsent=7, cookie="0x3", stack=[]),
                                 "event": "close-end", "ms": 12}))


def watched_ends():
    """A reset after lingering, and one of a held connection, that watch tells, too; its log is read first."""
    lingered, held = {"peer": "10.0.0.1:40001", "cookie": "0x1"}, {"peer": "10.0.0.1:40002", "cookie": "0x2"}
    for ends in lingered, held:
        put(event("reset", 5, direction="sent", comm="server", local="127.0.0.1:8080", **ends, cause="late-data",
                  unacked_then=30, unsent_then=10, outcome="rst", confirmed=True, weight=1, stack=[]))
    put(close(1, action="lingering", outcome="fin", **lingered),
        close(2, outcome="none", note="held", **held),
        {**close(5, action="lingering", ended_by="time", ms=4000, stack=[], **lingered), "event": "linger-end"},
        {**close(5, ms=3000, stack=[], **held), "event": "close-end"})


def causes(count):
    """A reset each of so many causes."""
    put(*(close(i, cause="cause-%d" % i) for i in range(int(count))))


def watched():
    """What "safeclose watch --json --received" writes."""
    def reset(second, **keys):
        e = event("reset", second, direction="sent", tid=10, comm="server", proto="tcp", local="127.0.0.1:80",
                  peer="127.0.0.1:4%04d" % second, state="FIN_WAIT1", cause="late-data", reason="TCP_RFC7323_PAWS",
                  inferred=False, why="", outcome="rst", confirmed=True, mono_ns=second, weight=1, ending=False,
                  via="close", stack=[], functions=[], truncated=False)
        return {**e, **keys}
    put(reset(1, weight=8, unacked_then=100, unsent_then=10),
        reset(2),
        reset(3, cause="unread-data", unacked_then=70, unsent_then=7, unacked=50, unsent=5),
        reset(1, direction="received", cause="peer", weight=4, local="127.0.0.1:40001", peer="127.0.0.1:80"),
        event("watch-end", 4, sent=10, received=4, lost=2, sampled=True, unwritten=True))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
