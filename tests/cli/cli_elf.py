#!/usr/bin/python3
"""Writes small ELF files for the tests of check, of kinds that no compiler here makes.

    cli_elf.py FILE [bits=32] [order=big] [machine=40] [type=2] [interp=/lib/ld-musl.so.1] [static=yes]
               [needed=libc.so.6,libm.so.6] [soname=x.so] [version=GLIBC_2.99] [go=note|section]

Without words it is a dynamic x86-64 program that needs libc.so.6. cli_elf.py --spoiled DIR FILE writes
copies of FILE with each byte as the last, and with each byte of its first 1,024 in turn made 0xff, into DIR.
"""
import os
import struct
import sys

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
DT_NULL, DT_NEEDED, DT_STRTAB, DT_SONAME, DT_VERNEED, DT_VERNEEDNUM = 0, 1, 5, 14, 0x6FFFFFFE, 0x6FFFFFFF


class Elf:
    def __init__(self, bits, order):
        self.wide = bits == 64
        self.order = ">" if order == "big" else "<"

    def pack(self, form, *values):
        """A is a word of the file's size."""
        return struct.pack(self.order + form.replace("A", "Q" if self.wide else "I"), *values)

    def segment(self, kind, offset, size):
        if self.wide:
            return self.pack("IIQQQQQQ", kind, 5, offset, offset, offset, size, size, 4096)
        return self.pack("IIIIIIII", kind, offset, offset, offset, size, size, 5, 4096)

    def section(self, name, kind, offset, size):
        return self.pack("IIAAAAIIAA", name, kind, 0, 0, offset, size, 0, 0, 1, 0)

    def header(self, kind, machine, segments, sections_at, sections):
        size, phent, shent = (64, 56, 64) if self.wide else (52, 32, 40)
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 2 if self.order == ">" else 1, 1]) + bytes(9)
        return ident + self.pack("HHIAAAIHHHHHH", kind, machine, 1, 0, size, sections_at, 0, size, phent,
                                 segments, shent, sections, max(sections - 1, 0))


def strings(names):
    """A string table, and where in it each name is."""
    table, at = b"\0", {}
    for name in names:
        at[name] = len(table)
        table += name.encode() + b"\0"
    return table, at


def build(o):
    elf = Elf(int(o.get("bits", 64)), o.get("order"))
    static = o.get("static") == "yes"
    needed = [n for n in o.get("needed", "libc.so.6").split(",") if n]
    interp = o.get("interp", "" if static else "/lib64/ld-linux-x86-64.so.2").encode()
    interp += b"\0" if interp else b""
    version = o.get("version", "")
    names, at = strings(needed + [o.get("soname", ""), version])
    note = elf.pack("III", 4, 4, 4) + b"Go\0\0abcd" if o.get("go") == "note" else b""
    count = 1 + bool(interp) + (not static) + bool(note)
    base = (64 if elf.wide else 52) + count * (56 if elf.wide else 32)
    body, segments = b"", b""

    def put(data):
        nonlocal body
        body += bytes(-len(body) % 8)
        offset = base + len(body)
        body += data
        return offset

    if interp:
        segments += elf.segment(PT_INTERP, put(interp), len(interp))
    if not static:
        names_at = put(names)
        entries = [(DT_NEEDED, at[n]) for n in needed] + [(DT_STRTAB, names_at)]
        if o.get("soname"):
            entries.append((DT_SONAME, at[o["soname"]]))
        if version:
            need = elf.pack("HHIII", 1, 1, at[needed[0]], 16, 0) + elf.pack("IHHII", 0, 0, 2, at[version], 0)
            entries += [(DT_VERNEED, put(need)), (DT_VERNEEDNUM, 1)]
        dynamic = b"".join(elf.pack("AA", *e) for e in entries + [(DT_NULL, 0)])
        segments += elf.segment(PT_DYNAMIC, put(dynamic), len(dynamic))
    if note:
        segments += elf.segment(PT_NOTE, put(note), len(note))
    sections_at = sections = 0
    if o.get("go") == "section":
        table, where = strings([".gopclntab", ".shstrtab"])
        table_at = put(table)
        sections = 3
        sections_at = put(elf.section(0, 0, 0, 0) + elf.section(where[".gopclntab"], 1, 0, 0) +
                          elf.section(where[".shstrtab"], 3, table_at, len(table)))
    segments = elf.segment(PT_LOAD, 0, base + len(body)) + segments
    return elf.header(int(o.get("type", 3)), int(o.get("machine", 62)), count, sections_at,
                      sections) + segments + body


def spoil(directory, file):
    data = open(file, "rb").read()
    for n in range(len(data)):
        write("%s/cut.%d" % (directory, n), data[:n])
    for n in range(4, min(len(data), 1024)):
        write("%s/byte.%d" % (directory, n), data[:n] + b"\xff" + data[n + 1:])
    # Eight at once: offsets and sizes beyond every file.
    for n in range(4, min(len(data) - 8, 1024), 4):
        write("%s/word.%d" % (directory, n), data[:n] + b"\xff" * 8 + data[n + 8:])


def write(name, data):
    with open(name, "wb") as f:
        f.write(data)
    os.chmod(name, 0o755)


if sys.argv[1] == "--spoiled":
    spoil(sys.argv[2], sys.argv[3])
else:
    write(sys.argv[1], build(dict(word.split("=", 1) for word in sys.argv[2:])))
