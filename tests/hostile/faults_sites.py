#!/usr/bin/env python3
"""Where the library makes system calls: each instruction, and a name for it that outlives a rebuild.

A call is an instruction of its own (shim/ground/sys.h), so it can be made to fail alone. Its name is the
function that asks for it, as the debugging information has it, with what was inlined undone, and
what is asked: "linger.c:send_parcel sendmsg". Where one function asks the same twice the calls are
numbered in the order of the source, and copies of one line are told apart by who called it.
"""
import collections
import os
import re
import subprocess

# The library names its sources from here.
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HELPERS = {"sys_getsockopt_int": "getsockopt", "sys_getsockopt": "getsockopt",
           "sys_ioctl_int": "ioctl", "sys_getpid": "getpid", "sys_getppid": "getppid",
           "sys_gettid": "gettid",
           "sys_readable": "rt_sigprocmask", "sys_map": "mmap",
           "sys_map_shared": "mmap", "sys_linger_off": "setsockopt(SO_LINGER)"}
# Functions in assembly have no debugging information: where they stand, and what they ask.
ASSEMBLY = {"lot_clone_raw": "lot_clone.c", "nudge_return": "nudge.c"}
NUMBERS = {15: "rt_sigreturn", 56: "clone", 220: "clone", 60: "exit", 93: "exit"}
# What tells calls of one kind apart, where it stands in the source.
DETAIL = re.compile(r"\b(SO_[A-Z_0-9]+|TCP_[A-Z_0-9]+|F_[A-Z_]+|FION\w+|SIOC\w+|EPOLL_CTL_\w+|"
                    r"FUTEX_\w+|PR_[A-Z_]+|MADV_\w+|SIG_[A-Z]+|TCGETS)\b")


class Site:
    def __init__(self, offset, frames, symbol, code):
        self.offset = offset        # of the instruction after it: what a filter sees
        self.frames = frames        # (function, file, line), the innermost first
        self.symbol = symbol        # where no debugging information is
        self.code = code            # the instructions before it
        self.name = None


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def instructions(library):
    """(offset, symbol, offset of the one after it, those before) of each call."""
    symbol, before, found = "", [], []
    pending = None
    for line in run("objdump", "-d", "--no-show-raw-insn", library).splitlines():
        head = re.match(r"^[0-9a-f]+ <(\S+)>:", line)
        if head:
            symbol, before = head.group(1), []
            continue
        match = re.match(r"^\s*([0-9a-f]+):\s+(\S+)(.*)", line)
        if not match:
            continue
        at = int(match.group(1), 16)
        if pending:
            found.append(pending + (at,))
            pending = None
        if match.group(2) in ("syscall", "svc"):
            pending = (at, symbol, list(before))
        before.append(line)
    return found


def frames_of(library, offsets):
    lines = run("addr2line", "-i", "-f", "-a", "-e", library, *[hex(o) for o in offsets]).splitlines()
    result, current = [], None
    for line in lines:
        if line.startswith("0x"):
            current = []
            result.append(current)
        else:
            current.append(line)
    return [list(zip(r[::2], r[1::2])) for r in result]


def split_place(place):
    path, _, line = place.split(" (")[0].rpartition(":")
    return path, int(line) if line.isdigit() else 0


def statement(path, line):
    """The source from this line up to where its statement ends."""
    try:
        with open(os.path.join(TOP, path)) as source:
            rest = source.read().splitlines()[line - 1:line + 4]
    except OSError:
        return ""
    text = []
    for row in rest:
        text.append(row)
        if re.search(r"[;{]\s*(/\*.*)?$", row):
            break
    return " ".join(text)


def outer_frames(site):
    """Those of the library's own code, without the stubs of sys.h."""
    return [f for f in site.frames if not re.match(r"sys(_|\d)", f[0])]


def question(site):
    """What is asked: the system call and, where it is one of many, which."""
    outer = outer_frames(site)
    inner = [f[0] for f in site.frames if f not in outer]
    if not outer and site.symbol.split(".")[0] in HELPERS:
        return HELPERS[site.symbol.split(".")[0]]
    if not outer or not outer[0][2]:
        numbers = [re.search(r"mov\s+\$0x([0-9a-f]+),%eax|mov\s+x8, #0x([0-9a-f]+)", c)
                   for c in reversed(site.code)]
        number = next(int(n.group(1) or n.group(2), 16) for n in numbers if n)
        return NUMBERS.get(number, str(number))
    text = statement(outer[0][1], outer[0][2])
    call = next((HELPERS[f] for f in reversed(inner) if f in HELPERS), None)
    direct = [d for d in re.findall(r"\bSYS_(\w+)", text) if d != "ARG"]
    call = call or (direct[0] if direct else "call")
    detail = DETAIL.findall(text) if call not in ("getpid", "getppid", "gettid") else []
    return "%s(%s)" % (call, detail[0]) if detail and len(set(detail)) == 1 else call


def base_name(site):
    outer = outer_frames(site)
    if outer and outer[0][2]:
        return "%s:%s" % (os.path.basename(outer[0][1]), outer[0][0])
    return "%s:%s" % (ASSEMBLY.get(site.symbol, "sys.h"), site.symbol.split(".")[0])


def grouped(sites, key):
    groups = collections.OrderedDict()
    for site in sites:
        groups.setdefault(key(site), []).append(site)
    return groups


def number_lines(group, line_of):
    """Where one function asks twice: in the order of the source."""
    lines = sorted({line_of(s) for s in group})
    for site in group if len(lines) > 1 else ():
        site.name += " #%d" % (lines.index(line_of(site)) + 1)


def tell_apart(group, depth=0):
    """Copies of one line: by who called it, and who called him, as far as that differs."""
    def caller(site):
        return site.callers[depth] if depth < len(site.callers) else ("itself", 0)

    if len(group) == 1:
        return
    if depth and not any(depth < len(s.callers) for s in group):
        for i, site in enumerate(group):
            site.name += " copy %d" % (i + 1)
        return
    by_function = grouped(group, lambda s: caller(s)[0])
    for function, sites in by_function.items():
        for site in sites:
            if depth == 0 or len(by_function) > 1:
                site.name += " %s %s" % ("of" if depth else "in", function)
        number_lines(sites, lambda s: caller(s)[1])
        for same in grouped(sites, lambda s: caller(s)[1]).values():
            tell_apart(same, depth + 1)


def name_all(sites):
    """Distinct names: by order where a function asks twice, by caller where one line was copied."""
    for site in sites:
        site.name = "%s %s" % (base_name(site), question(site))
        outer = outer_frames(site)
        site.line = outer[0][2] if outer else 0
        site.callers = [(f[0], f[2]) for f in outer if f[0] != outer[0][0]]
    for group in grouped(sites, lambda s: s.name).values():
        number_lines(group, lambda s: s.line)
        for same in grouped(group, lambda s: s.line).values():
            tell_apart(same)


def is_built_as_usual(library):
    """By gcc, for size: another compiler copies other functions, and names more calls, or fewer."""
    producer = re.search(r"DW_AT_producer.*", run("readelf", "--debug-dump=info", library))
    return producer is not None and "GNU C" in producer.group() and " -Oz" in producer.group()


def sites_of(library):
    found = instructions(library)
    frames = frames_of(library, [f[0] for f in found])
    sites = []
    for (at, symbol, before, after), places in zip(found, frames):
        resolved = [(f, *split_place(p)) for f, p in places]
        sites.append(Site(after, resolved, symbol, before[-12:]))
    name_all(sites)
    names = [s.name for s in sites]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise SystemExit("faults: two calls of one name: %s" % sorted(twice))
    return sites
