#!/usr/bin/env python3
"""Makes each system call of the library fail, one call site at a time, and compares what a program
and its peers see with what they see without the library.

tests/hostile/faults.table has a row for each site: what it is made to fail with, and what happens then.
tests/inject plays scenes of tests/faults and makes the calls of a site fail; how is told in
tests/hostile/inject.h. A site fails in every mode in which the recording of a run without faults has it,
and in each scene that leads to it.

What counts as a difference: any line of a transcript that is not as it is bare. In the modes drain
and linger one thing may be different: where a peer of the bare program reads a reset that the
program did not ask for, it may read an orderly end instead; the bytes before it are the same.
"""
import argparse
import collections
import concurrent.futures
import errno
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import faults_sites  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
LIBRARY = os.environ.get("LIBSAFECLOSE", os.path.join(TOP, "libsafeclose.so"))
INJECT = os.path.join(BUILD, "tests", "inject")
PROGRAM = os.path.join(BUILD, "tests", "faults")
TABLE = os.path.join(HERE, "faults.table")
MODES = ["log", "warn", "drain", "linger"]
RECORDINGS = 3
# No kernel interrupts the same call for ever, and a loop that asks again is right.
TIMES = {"EINTR": 20}
DEFAULT_ERRNOS = "EPERM ENOSYS ENOMEM EINTR"
REMEDIED = re.compile(r"^(peer .*: \d+ bytes, )reset$")
# What took long. A busy machine says so as well, so it counts only where it is found each time, and not
# at all in a short run: there only a scene that does not end has waited for too long.
TIMED = re.compile(r", (slow|late)$")


def fail(text):
    sys.exit("faults: unable to %s" % text)


# ---- The table -----------------------------------------------------------------------------------

class Row:
    def __init__(self, name, errnos, then):
        self.name = name
        self.unreached = errnos == "unreached"  # by any scene, but for bad luck
        self.exempt = errnos == "exempt"        # reached, and not made to fail
        self.errnos = [] if self.exempt or self.unreached else errnos.split()
        self.then = then
        behind = re.match(r"behind (.*?) (E[A-Z]+): ", then)
        self.behind = behind and behind.groups()    # the call that must fail for this to be made


def read_table():
    rows = {}
    with open(TABLE) as table:
        for line in table:
            if line.startswith("#") or not line.strip():
                continue
            parts = [p.strip() for p in line.split("|", 2)]
            if len(parts) != 3 or parts[0] in rows:
                fail("read this row of the table: %s" % line)
            row = rows[parts[0]] = Row(*parts)
            if not (row.exempt or row.unreached) and (
                    len(row.errnos) != 4 or any(not hasattr(errno, e) for e in row.errnos)):
                fail("find four errnos in: %s" % line)
    return rows


def compare_table(sites, rows):
    """Names without a row, rows without a site."""
    names = [s.name for s in sites]
    return sorted(set(names) - set(rows)), sorted(set(rows) - set(names))


def check_table(sites, rows):
    missing, stale = compare_table(sites, rows)
    for name in missing:
        print("no row for: %s" % name)
    for name in stale:
        print("no such call any more: %s" % name)
    if missing:
        print("tests/hostile/faults.py --new prints the rows that are missing")
    silent = [r.name for r in rows.values() if not r.then]
    for name in silent:
        print("what happens then is not said: %s" % name)
    return not (missing or stale or silent)


# ---- Playing -------------------------------------------------------------------------------------

def in_rooms_of_our_own():
    """A network of our own, and a /dev with an own /dev/log and terminals."""
    ready = tempfile.NamedTemporaryFile(prefix="safeclose-faults.")
    script = ('ip link set lo up; exec "$0" "$1" bash -c "mkdir -p /dev/pts && mount -t devpts -o '
              'newinstance,ptmxmode=666 none /dev/pts && ln -sf pts/ptmx /dev/ptmx && '
              'exec \\"\\$@\\"" x "${@:2}"')
    flags = "-mn" if os.geteuid() == 0 else "-mrn"
    os.environ["FAULTS_INSIDE"] = "1"
    sys.exit(subprocess.run(["unshare", flags, "bash", "-c", script,
                             os.path.join(TOP, "tests", "support", "private_dev"), ready.name,
                             sys.executable, os.path.abspath(__file__)] + sys.argv[1:]).returncode)


def listen_to_syslog():
    """What arrives at /dev/log, which is our own, is taken and not looked at."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)

    def take():
        while True:
            log.recv(8192)

    threading.Thread(target=take, daemon=True).start()


class Played:
    def __init__(self, text):
        self.lines = collections.OrderedDict()  # of each scene
        self.counts = {}                        # of each scene: offset -> (number, count)
        scene = None
        for line in text.splitlines():
            if line.startswith("== "):
                scene = line[3:]
                self.lines[scene], self.counts[scene] = [], {}
            elif line.startswith("-- "):
                offset, number, count = line[3:].split()
                self.counts[scene][int(offset, 16)] = (int(number), int(count))
            else:
                self.lines[scene].append(line)

    def failed(self):
        return sum(count for scene in self.counts.values() for _, count in scene.values())


class Stage:
    """Where scenes are played: each worker has a directory of its own."""

    def __init__(self, directory, timeout):
        self.directory = directory
        self.timeout = timeout
        self.local = threading.local()
        self.base = self.size = self.hidden = None

    def empty_directory(self):
        path = getattr(self.local, "path", None)
        if not path:
            path = self.local.path = tempfile.mkdtemp(dir=self.directory)
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        return path

    def play(self, scenes, *options):
        run = subprocess.run([INJECT, "--timeout", str(self.timeout), *options, PROGRAM, *scenes],
                             cwd=self.empty_directory(), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, errors="replace")
        if run.returncode:
            fail("play %s %s: %s" % (" ".join(options), " ".join(scenes), run.stderr))
        return Played(run.stdout)

    def preloaded(self, mode, scenes, *options):
        return self.play(scenes, "--library", LIBRARY, "--mode", mode, "--base", "%x" % self.base,
                         "--size", "%x" % self.size, "--hidden", "%x" % self.hidden, *options)

    def find_place(self, sites):
        place = self.play(["place"], "--library", LIBRARY, "--mode", "off").lines["place"]
        self.base = int(place[0], 16)
        self.size = max(s.offset for s in sites) + 16
        self.hidden = next((s.offset for s in sites if "prctl(PR_GET_SECCOMP)" in s.name), 0)


def all_scenes():
    names = subprocess.run([INJECT, "--scenes"], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split()
    return [n for n in names if n != "place"]


# ---- Comparing -----------------------------------------------------------------------------------

def allowed(mode, bare, line):
    remedied = REMEDIED.match(bare)
    return line == bare or (mode in ("drain", "linger") and remedied is not None and
                            line == remedied.group(1) + "eof")


def without_numbers(lines):
    """Where a number of the library's stays open, those that the program gets are others."""
    return [re.sub(r"^((?!peer)[^:]*): ([3-9]|[1-9]\d+)$", r"\1: number", line)
            for line in lines if not line.startswith("open:")]


def untimed(lines):
    return [TIMED.sub("", line) for line in lines]


def differences(mode, bare, played, leaks=False, timed=False):
    """The first line that is not as it is bare, of each scene."""
    found = []
    for scene, lines in played.lines.items():
        expected = untimed(bare.lines[scene])
        lines = lines if timed else untimed(lines)
        if leaks:
            expected, lines = without_numbers(expected), without_numbers(lines)
        if lines[-1:] != expected[-1:]:
            found.insert(0, "%s: %s" % (scene, lines[-1] if lines else "nothing"))
        for want, got in zip(expected, lines):
            if not allowed(mode, want, got):
                found.append("%s: \"%s\" for \"%s\"" % (scene, got, want))
                break
        else:
            if len(lines) != len(expected):
                found.append("%s: %d lines for %d" % (scene, len(lines), len(expected)))
    return found


def remedies(bare, played):
    return sum(1 for scene, lines in played.lines.items()
               for want, got in zip(bare.lines[scene], lines) if want != got)


# ---- The campaign --------------------------------------------------------------------------------

class Job:
    def __init__(self, site, mode, error, scenes, leaks):
        self.site, self.mode, self.error, self.scenes = site, mode, error, scenes
        self.leaks = leaks
        self.also = None
        self.failed = 0
        self.found = []
        self.seen = 0


class Campaign:
    def __init__(self, stage, sites, rows, options):
        self.stage, self.sites, self.rows, self.options = stage, sites, rows, options
        self.scenes = all_scenes()
        self.bare = None
        self.reached = {m: collections.defaultdict(set) for m in MODES}  # mode: offset: scenes
        self.problems = []

    def play_bare(self):
        self.bare = self.stage.play(self.scenes)
        for _ in range(1 if self.options.short else 2):
            again = self.stage.play(self.scenes)
            for scene in self.scenes:
                if untimed(again.lines[scene]) != untimed(self.bare.lines[scene]):
                    fail("play %s twice the same" % scene)

    def record(self):
        """What was recorded once is let pass the next time: with every call recorded a scene is so slow
        that the library runs out of the time that it takes for a look into /proc."""
        names = {s.offset: s for s in self.sites}
        for mode in self.options.modes:
            made = 0
            for _ in range(2 if self.options.short else RECORDINGS):
                known = ["--known=%x" % offset for offset in self.reached[mode]]
                played = self.stage.preloaded(mode, self.scenes, "--record", *known)
                for text in differences(mode, self.bare, played):
                    self.problems.append("%s, without a fault: %s" % (mode, text))
                made = max(made, remedies(self.bare, played))
                for scene, counts in played.counts.items():
                    for offset in counts:
                        if offset not in names:
                            fail("name the call at %x" % offset)
                        self.reached[mode][offset].add(scene)
            print("%s: %d sites reached, %d remedies" % (mode, len(self.reached[mode]), made))
            if mode in ("drain", "linger") and made < 20:
                self.problems.append("%s: only %d remedies without a fault" % (mode, made))

    def jobs(self):
        jobs = []
        offsets = {s.name: s.offset for s in self.sites}
        for site in sorted(self.sites, key=lambda s: s.name):
            row = self.rows.get(site.name) or Row(site.name, DEFAULT_ERRNOS, "")
            if self.options.site and not re.search(self.options.site, site.name):
                continue
            for mode in self.options.modes:
                before = offsets.get(row.behind[0], 0) if row.behind else site.offset
                scenes = sorted(self.reached[mode].get(before, ()))
                errnos = DEFAULT_ERRNOS.split() if row.unreached else row.errnos
                for error in errnos if scenes else ():
                    if not self.options.errno or error == self.options.errno:
                        jobs.append(Job(site, mode, error, scenes, "leaks:" in row.then))
                        if row.behind:
                            jobs[-1].also = (before, getattr(errno, row.behind[1]))
        return self.some(jobs) if self.options.short else jobs

    @staticmethod
    def some(jobs):
        """Each site once: with another errno and in another mode than the one before it."""
        of_site = collections.OrderedDict()
        for job in jobs:
            of_site.setdefault(job.site.name, []).append(job)
        chosen = []
        for i, all_jobs in enumerate(of_site.values()):
            modes = sorted({j.mode for j in all_jobs}, key=MODES.index, reverse=True)
            mode = modes[i % len(modes)]
            of_mode = [j for j in all_jobs if j.mode == mode]
            chosen.append(of_mode[i % len(of_mode)])
            chosen[-1].scenes = chosen[-1].scenes[:2]
        return chosen

    def play_once(self, job):
        options = ["--site", "%x" % job.site.offset, "--error", str(getattr(errno, job.error))]
        if job.also:
            options += ["--also", "%x" % job.also[0], "--also-error", str(job.also[1])]
        times = self.options.times or TIMES.get(job.error)
        if times:
            options += ["--times", str(times)]
        return self.stage.preloaded(job.mode, job.scenes, *options)

    def found_in(self, job, played):
        """What differs, and how often it must be found in three runs."""
        found = differences(job.mode, self.bare, played, job.leaks)
        if found or self.options.short:
            return found, 2
        return differences(job.mode, self.bare, played, job.leaks, timed=True), 3

    def play(self, job):
        """What is found once must be found again, so that a busy machine finds nothing."""
        played = self.play_once(job)
        for _ in range(3):
            if played.failed():
                break
            played = self.play_once(job)
        job.failed = played.failed()
        found, needed = self.found_in(job, played)
        if found:
            job.seen = 1 + sum(1 for _ in range(2) if self.found_in(job, self.play_once(job))[0])
            job.found = found if job.seen >= needed else []
            if not job.found and self.options.verbose:
                print("not each time: %s %s %s: %s" % (job.site.name, job.error, job.mode, found[0]))
        return job

    def play_all(self, jobs):
        done = []
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for job in pool.map(self.play, jobs):
                done.append(job)
                self.tell(job)
        return done

    def tell(self, job):
        """One line for each run that differs, with what differs in its first scene."""
        if job.found and not self.options.verbose:
            more = " (and in %d scenes more)" % (len(job.found) - 1) if len(job.found) > 1 else ""
            print("FOUND %s, %s, %s: %s%s" % (job.site.name, job.error, job.mode, job.found[0], more),
                  flush=True)
        for text in job.found if self.options.verbose else ():
            print("FOUND %s, %s, %s: %s" % (job.site.name, job.error, job.mode, text), flush=True)
        if not job.failed and not job.also:
            print("not reached: %s, %s, %s" % (job.site.name, job.error, job.mode))

    def summarize(self, done, seconds):
        by_site = collections.OrderedDict()
        for job in done:
            by_site.setdefault(job.site.name, []).append(job)
        if not self.options.short:
            print("\n%-64s %5s %9s %6s  %s" % ("site", "runs", "failed", "found", "modes"))
            for name, jobs in by_site.items():
                modes = [m for m in MODES if any(j.mode == m for j in jobs)]
                print("%-64s %5d %9d %6d  %s" % (name, len(jobs), sum(j.failed for j in jobs),
                                                 sum(1 for j in jobs if j.found), " ".join(modes)))
        unreached = self.unreached(by_site)
        print("\n%d sites: %d failed in %d runs, %d times; %d have a reason not to; %d runs differ (%.0f s)" %
              (len(self.sites), sum(1 for j in by_site.values() if any(x.failed for x in j)),
               len(done), sum(j.failed for j in done), unreached,
               sum(1 for j in done if j.found), seconds))

    def unreached(self, by_site):
        """Those of the table, and those that should have been reached and were not."""
        number = 0
        for site in sorted(self.sites, key=lambda s: s.name):
            row = self.rows.get(site.name)
            if row and not row.errnos:
                number += 1
                if not self.options.short:
                    print("%s: %s: %s" % ("exempt" if row.exempt else "unreached", site.name,
                                          row.then))
            elif self.options.all and not any(j.failed for j in by_site.get(site.name, ())):
                self.problems.append("%s: never reached, and the table has no reason" % site.name)
        return number

    def run(self):
        begun = time.monotonic()
        self.play_bare()
        self.record()
        if self.options.recording:
            self.print_recording()
            return True
        jobs = self.jobs()
        done = self.play_all(jobs)
        self.summarize(done, time.monotonic() - begun)
        for problem in self.problems:
            print("PROBLEM %s" % problem)
        return not self.problems and not any(j.found for j in done)

    def print_recording(self):
        for site in sorted(self.sites, key=lambda s: s.name):
            where = {m: sorted(self.reached[m].get(site.offset, ())) for m in MODES}
            print("%s: %s" % (site.name, "; ".join("%s %s" % (m, ",".join(w))
                                                   for m, w in where.items() if w) or "unreached"))
        for problem in self.problems:
            print("PROBLEM %s" % problem)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="only compares the table with the library")
    parser.add_argument("--new", action="store_true", help="prints the rows that the table lacks")
    parser.add_argument("--list", action="store_true", help="prints all call sites")
    parser.add_argument("--recording", action="store_true", help="which scenes lead to which call")
    parser.add_argument("--short", action="store_true", help="each site once")
    parser.add_argument("--site", help="only those whose name this expression fits")
    parser.add_argument("--mode", dest="modes", action="append", choices=MODES)
    parser.add_argument("--errno")
    parser.add_argument("--times", type=int, help="a call fails so often in a scene (always; EINTR 20)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=15, help="seconds, after which a run hangs")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.all = not (options.site or options.modes or options.errno or options.short or
                       options.recording)
    options.modes = options.modes or MODES
    return options


def main():
    options = parse()
    sites = faults_sites.sites_of(LIBRARY)
    rows = read_table()
    if options.list:
        for site in sorted(sites, key=lambda s: s.name):
            print("%x %s" % (site.offset, site.name))
        return True
    if options.new:
        for name in compare_table(sites, rows)[0]:
            print("%s | %s | " % (name, DEFAULT_ERRNOS))
        return True
    if not faults_sites.is_built_as_usual(LIBRARY):
        print("the table is of a library that gcc made with -Oz; this one is not compared with it")
        complete = True
    else:
        complete = check_table(sites, rows)
    if options.check or (options.all and not complete):
        return complete
    if "FAULTS_INSIDE" not in os.environ:
        in_rooms_of_our_own()
    directory = tempfile.mkdtemp(prefix="safeclose-faults.")
    os.chmod(directory, 0o755)
    try:
        listen_to_syslog()
        stage = Stage(directory, options.timeout)
        stage.find_place(sites)
        return Campaign(stage, sites, rows, options).run()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
