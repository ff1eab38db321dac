"""Breaks the unwind tables or the symbols of a program, again and again, each time differently, and
runs it: the library may then find another stack, or other names, and nothing else may change.

    stack_broken.py LIBRARY PROGRAM CASE COUNT SEED tables|symbols
"""
import json
import os
import random
import subprocess
import sys

library, program, case = sys.argv[1:4]
count, seed = int(sys.argv[4]), int(sys.argv[5])
what = sys.argv[6]
original = open(program, "rb").read()
LOG = "broken.log"


def section(name):
    for line in subprocess.check_output(["readelf", "-SW", program], text=True).splitlines():
        fields = line.replace("[ ", "[").split()
        if len(fields) > 5 and fields[1] == name:
            return int(fields[4], 16), int(fields[5], 16)
    sys.exit("no " + name)


def damage(data, start, size):
    at = start + random.randrange(size)
    room = min(start + size - at, 64)
    kind = random.randrange(6)
    if kind == 0:
        data[at] ^= 1 << random.randrange(8)
    elif kind == 1:
        data[at] = random.randrange(256)
    elif kind == 2:  # lengths, offsets and counts at their ends
        n = random.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, 0xFFFFF000])
        at = start + random.randrange(max(1, size // 4)) * 4
        data[at:at + 4] = n.to_bytes(4, "little")
    elif kind == 3:  # numbers without an end
        data[at:at + room] = bytes([random.choice([0x80, 0xFF, 0])]) * room
    elif kind == 4:
        data[at:at + room] = random.randbytes(room)
    else:  # expressions and rarer instructions
        data[at] = random.choice([0x0F, 0x10, 0x16, 0x0A, 0x0B, 0x09, 0x0D, 0x2D, 0x2E, 0x05, 0xC6])


def behaviour(path):
    """Its status, its output, and its events but for the stack and for what always differs."""
    if os.path.exists(LOG):
        os.remove(LOG)
    environment = dict(os.environ, LD_PRELOAD=library, SAFECLOSE_MODE="warn", SAFECLOSE_LOG=LOG,
                       SAFECLOSE_STACK="32")
    done = subprocess.run([path, case], env=environment, timeout=60, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    events = [json.loads(line) for line in open(LOG)] if os.path.exists(LOG) else []
    stacks = [e.pop("stack", None) for e in events]
    for e in events:
        for key in ("time", "pid", "tid", "local", "peer", "cookie", "mono_ns", "comm", "executable",
                    "build_id", "netns", "truncated"):
            e.pop(key, None)
    shown = [line for line in done.stderr.decode("latin-1").splitlines() if " [0x" in line]
    shown = [line.partition("(")[2] for line in shown]
    shape = [[f.rpartition("+")[2] for f in s or []] for s in stacks]
    return (done.returncode, done.stdout, events), (shown if what == "symbols" else shape)


def section_headers():
    place = slice(0x28, 0x30) if original[4] == 2 else slice(0x20, 0x24)  # of 64 bits, or of 32
    start = int.from_bytes(original[place], "little")
    return start, len(original) - start


random.seed(seed)
os.link(program, "whole")
expected, whole = behaviour("./whole")
assert expected[0] == 0 and len([e for e in expected[2] if e["event"] == "close"]) >= 3, expected
if what == "tables":
    places = [section(".eh_frame"), section(".eh_frame"), section(".eh_frame_hdr")]
else:
    places = [section(".symtab"), section(".strtab"), section_headers(), section_headers()]
different = 0
for round_ in range(count):
    data = bytearray(original)
    for _ in range(random.choice([1, 1, 2, 5, 40])):
        damage(data, *random.choice(places))
    with open("broke", "wb") as f:
        f.write(data)
    os.chmod("broke", 0o755)
    seen, stack = behaviour("./broke")
    if seen != expected:
        os.rename("broke", "broken.kept")
        wrong = [(a, b) for a, b in zip(seen[2], expected[2]) if a != b]
        sys.exit("seed %d, round %d: %s, %d events; instead of: %s, %d events; %s" % (
            seed, round_, seen[:2], len(seen[2]), expected[:2], len(expected[2]), wrong))
    different += stack != whole
os.unlink("whole")
print(different)
