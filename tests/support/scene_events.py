"""Writes what JSON logs hold as assignments for bash (scene.bash says what each variable means).

Reads lines "LOG<tab>FILE" and answers each by "read" when FILE holds what is in LOG, or by what is wrong: a line that is
not one JSON object of at most 2048 bytes, or a close without all of its keys. Left out is the listening socket that a
scene leaves open until the program exits. The value of "time" is there in microseconds too, as time_us, for comparison
with a clock.
"""
import datetime
import json
import sys

CLOSE = {
    "v": int, "time": str, "event": str, "pid": int, "tid": int, "comm": str, "via": str, "fd": int,
    "proto": str, "local": str, "peer": str, "state": str, "cause": str, "unread": int,
    "unacked": int, "unsent": int, "action": str, "outcome": str, "confirmed": bool, "discarded": int,
    "opened_by": str, "progress": str, "content": str, "note": str, "preview": str, "stack": list, "truncated": bool, "urgent": bool,
    "cookie": str, "netns": int, "mono_ns": int,
}


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def flat(key, value):
    if isinstance(value, dict):
        for inner, what in value.items():
            yield from flat(f"{key}.{inner}", what)
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)


def table(name, event, prefix=""):
    """Assigns the event's keys to elements of an associative array."""
    pairs = (pair for item in event.items() for pair in flat(*item))
    return f"{name}+=(" + " ".join(f"[{prefix}{key}]={quoted(value)}" for key, value in pairs) + ")\n"


def microseconds(time):
    moment = datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%fZ")
    return int((moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(microseconds=1))


def parse(line):
    event = json.loads(line)
    if len(line) + 1 > 2048:
        raise ValueError(f"a line of {len(line) + 1} bytes: {line!r}")
    if event["event"] in ("close", "linger-end"):
        for key, kind in CLOSE.items():
            if type(event.get(key)) is not kind:
                raise ValueError(f"{key} is not of {kind}: {line!r}")
    event["time_us"] = microseconds(event["time"])
    return event


def tables(path):
    with open(path, "rb") as log:
        lines = log.read().split(b"\n")
    if lines.pop() != b"":
        raise ValueError("the log's last line is torn")
    events = [parse(line) for line in lines]
    closes = [e for e in events if e["event"] == "close"
              and not (e["via"] == "exit" and e["state"] == "LISTEN")]
    ends = [e for e in events if e["event"] == "linger-end"]
    summaries = [e for e in events if e["event"] == "summary"]
    for number, event in enumerate(closes[:8], 1):
        yield table("told", event, f"{number}.")
    for name, kind in (("told", closes), ("ended", ends), ("summed", summaries)):
        for event in kind[-1:]:
            yield table(name, event)
    yield f"closes={len(closes)} ends={len(ends)} summaries={len(summaries)} cookies={len({e['cookie'] for e in closes})}\n"


def answer(path, into):
    try:
        text = "".join(tables(path))
        with open(into, "w", encoding="utf-8") as file:
            file.write(text)
        return "read"
    except (OSError, ValueError, KeyError) as error:
        return repr(error)


for request in sys.stdin:
    print(answer(*request.rstrip("\n").split("\t")))
