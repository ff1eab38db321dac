"""Whether a peer's bytes have forged anything in a log: explain_hostile.py PREVIEW HEX LOG STDERR

LOG holds JSON, STDERR the explanation in text, of one reset with these bytes unread, shown up to
PREVIEW of them. Exits with 1 and the reason where either holds more, or less.
"""
import json
import re
import sys


def characters(data):
    """Those of valid UTF-8, and each other byte as the character of its number."""
    text = ""
    while data:
        for size in range(1, 5):
            try:
                text += data[:size].decode("utf-8")
                break
            except UnicodeDecodeError:
                continue
        else:
            size = 1
            text += chr(data[0])
        data = data[size:]
    return text


def check_json(log, shown):
    lines = open(log, "rb").read().split(b"\n")
    assert lines.pop() == b"", "no line break at the end"
    for line in lines:
        assert not re.search(b"[\\x00-\\x1f\\x7f]", line), ("a control character", line)
        assert not re.search("[\\x80-\\x9f]", line.decode("utf-8")), ("a C1 control", line)
    events = [json.loads(line) for line in lines]
    kinds = [e["event"] for e in events]
    assert kinds == ["start", "close", "summary"], kinds
    got = [e["preview"] for e in events if e.get("cause") == "unread-data"]
    assert got == [characters(shown)], (got, characters(shown))


def check_text(stderr, shown, is_all):
    text = open(stderr, "rb").read()
    assert not re.search(rb"[^\n -~]", text), "other than printable ASCII"
    lines = text.decode("ascii").splitlines()
    assert all(line.startswith("safeclose: ") for line in lines), lines
    got = [line for line in lines if line.startswith("safeclose:   unread: ")]
    assert len(got) == 1, got
    quoted = re.fullmatch(r'safeclose:   unread: "(.*)"(\.\.\.)?', got[0])
    unescaped = re.sub(rb"\\x(..)", lambda m: bytes.fromhex(m[1].decode()), quoted[1].encode())
    assert unescaped == shown, (unescaped, shown)
    assert (quoted[2] is None) == is_all, got
    # Announcement where events go; here the one-liner and its explanation alone.
    assert sum(": RST [" in line for line in lines) == 1, lines


size, data = int(sys.argv[1]), bytes.fromhex(sys.argv[2])
check_json(sys.argv[3], data[:size])
check_text(sys.argv[4], data[:size], len(data) <= size)
