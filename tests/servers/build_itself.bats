#!/usr/bin/env bats
# Programs without a TCP socket notice nothing: not in what they print, not in their exit status, not
# in the files they leave. The biggest of them is the build of this library, by a make, shells and
# compilers that have the library in front of them. The library logs to stderr here, as it does unless
# told otherwise, so that a line of its own would be seen.

# Takes long.

load ../support/helper

setup_file()
{
    # All builds are of the same sources, also while somebody is at work on them.
    cp -r "$top/Makefile" "$top/shim" "$BATS_FILE_TMPDIR"
}

# What would show in the output and differs from machine to machine.
settle()
{
    export HOME=$BATS_TEST_TMPDIR TZ=UTC GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='1700000000 +0000'
    export GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org GIT_COMMITTER_DATE='1700000000 +0000'
    export PYTHONDONTWRITEBYTECODE=1
}

# What COMMAND does in a new directory, filled by the test's prepare, always of the same name, since compilers write it into what
# they make: its output, its status, its files. Several processes at work (-j 2, xargs -P) print their
# lines in any order, so lines are sorted when ORDER is "sorted".
traces_of()
{
    local order=$1 status=0 out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
    shift
    rm -rf "$BATS_TEST_TMPDIR/place"
    mkdir "$BATS_TEST_TMPDIR/place"
    (cd "$BATS_TEST_TMPDIR/place" && prepare && exec "$@") </dev/null >"$out" 2>"$err" 3>&- || status=$?
    if [[ $order == sorted ]]; then
        sort -o "$out" "$out"
        sort -o "$err" "$err"
    fi
    printf -- '---- status %s, stdout:\n' "$status"
    cat "$out"
    echo '---- stderr:'
    cat "$err"
    echo '---- files:'
    (cd "$BATS_TEST_TMPDIR/place" && find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# same_in_every_mode ORDER COMMAND...: leaves what it did without the library in $BATS_TEST_TMPDIR/bare.
same_in_every_mode()
{
    same_in "off log warn drain linger" "$@"
}

# same_in MODES ORDER COMMAND...: likewise, in these modes alone.
same_in()
{
    local modes=$1 order=$2 mode bare=$BATS_TEST_TMPDIR/bare
    shift 2
    settle
    traces_of "$order" env -u LIBSAFECLOSE "$@" >"$bare"
    for mode in $modes; do
        traces_of "$order" env -u LIBSAFECLOSE LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$mode" "$@" \
            >"$BATS_TEST_TMPDIR/$mode"
        diff "$bare" "$BATS_TEST_TMPDIR/$mode" >"$BATS_TEST_TMPDIR/diff" ||
            fail "mode $mode is not as bare (<): $*" "$(<"$BATS_TEST_TMPDIR/diff")"
    done
}

# did PATTERN: it did, without the library; a test that compares nothing with nothing proves nothing.
did()
{
    grep -qE -e "$1" "$BATS_TEST_TMPDIR/bare" || fail "not found: $1" "$(<"$BATS_TEST_TMPDIR/bare")"
}

@test "make, gcc and the shell build this library to the same bytes" {
    prepare()
    {
        cp -r "$BATS_FILE_TMPDIR"/* .
    }
    # Unoptimised, and in the mode that does most: all that takes long here is the compiler.
    same_in linger sorted make -j2 BUILD=built CFLAGS=-g libsafeclose.so
    did 'status 0'
    did '[0-9a-f]{64}  ./libsafeclose.so$'
}

@test "a build that fails says so in the same words" {
    prepare()
    {
        cat >Makefile <<'EOT'
all: good bad
good:
	@echo made >$@; cat $@ | tr a-z A-Z
bad: bad.c
	gcc -o $@ $<
EOT
        echo 'int main(void) { return }' >bad.c
    }
    same_in_every_mode plain make
    did 'status 2'
    did 'bad.c:1:'
}

# What every shell knows.
write_shell_script()
{
    cat >script <<'EOT'
set -u
echo "pipes"; printf 'c\na\nb\n' | sort | { read -r one; echo "$one"; cat; } | tr a-z A-Z
false | true; echo "status $?"
echo "subshells"; (echo in; (echo deeper; exit 4); echo "status $?"; exit 3); echo "status $?"
echo "here documents"; cat <<A; cat <<'B' | wc -c
$(echo substituted) in a here document
A
$(not substituted)
B
i=0; while read -r line; do i=$((i + 1)); echo "$i $line"; done <<C
x
y
C
echo "background"; for n in 1 2 3; do (echo "job $n" >job.$n; exit $n) & done
wait; cat job.1 job.2 job.3
(exit 7) & wait $!; echo "status $?"
# dash says "Terminated" only where the child still lives when wait looks for it.
{ sleep 60 & kill -TERM $!; wait $!; } 2>/dev/null; echo "status $?"
echo "numbers"; exec 3<>file; echo first >&3; echo second >&3; exec 4<file; read -r line <&4; echo "$line"
exec 5>&3 3>&-; echo third >&5; cat <&4; exec 4<&- 5>&-
(echo lost >&5) 2>/dev/null || echo "5 is closed"
{ echo out; echo err >&2; } 2>&1 >/dev/null | sed 's/^/only /'
(exec <&-; read -r line 2>/dev/null || echo "no input")
(exec >&-; echo lost 2>/dev/null || echo "no output" >&2)
(exec >&- 2>&- <&-; (exit 5); exit $?); echo "status $?"
mkfifo fifo; cat fifo >copy & echo through >fifo; wait; cat copy
trap 'echo "trapped"' USR1; kill -USR1 $$
trap 'echo "bye from $0"' EXIT
ls /nowhere || echo "status $?"
nonsense_command; echo "status $?"
exec 6>last; echo kept >&6
exit 9
EOT
}

@test "a dash script with pipes, subshells, jobs and numbers opened and closed" {
    prepare()
    {
        write_shell_script
    }
    same_in_every_mode plain dash ./script
    did 'status 9'
    did '^no output$'
}

@test "a bash script with pipes, subshells, jobs, coprocesses and process substitution" {
    prepare()
    {
        write_shell_script
        cat >more.sh <<'EOT'
diff <(seq 5) <(seq 2 6); echo "status $?"
exec {number}> >(sort -r >sorted); seq 3 >&$number; exec {number}>&-; wait $!; cat sorted
coproc tr a-z A-Z; echo coprocess >&"${COPROC[1]}"; exec {COPROC[1]}>&-; cat <&"${COPROC[0]}"
exec {number}<>file2; echo "$((number >= 10))" >&$number; cat /dev/fd/$number <file2; exec {number}>&-
set -o pipefail; seq 100000 | head -n 1; echo "status ${PIPESTATUS[*]}"
mapfile -t lines < <(printf 'a\nb\n'); echo "${#lines[@]}"
source ./script
EOT
    }
    same_in_every_mode plain bash ./more.sh
    did 'status 9'
    did '^COPROCESS$'
}

@test "python3 with subprocess, multiprocessing and fork" {
    prepare()
    {
        cat >processes.py <<'EOT'
import multiprocessing, os, select, signal, subprocess, sys, tempfile

def square(n):
    return n * n, os.getpid() != os.getppid()

def child(queue, pipe):
    queue.put("from the child")
    pipe.send(["through", "a pipe"])
    pipe.close()

if __name__ == "__main__":
    print(subprocess.run(["tr", "a-z", "A-Z"], input="text\n", capture_output=True, text=True))
    print(subprocess.run("echo out; echo err >&2; exit 3", shell=True, capture_output=True))
    print(subprocess.run(["sleep", "60"], timeout=None, preexec_fn=lambda: os.kill(os.getpid(), 9)))
    first = subprocess.Popen(["seq", "1000"], stdout=subprocess.PIPE)
    second = subprocess.Popen(["tail", "-n", "1"], stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdout.close()
    print(second.communicate(), first.wait())
    r, w = os.pipe()
    subprocess.run(["sh", "-c", "echo kept >&%d" % w], pass_fds=[w], check=True)
    os.close(w)
    print(os.read(r, 100))
    print(subprocess.run(["sh", "-c", "echo lost >&%d" % r], stderr=subprocess.DEVNULL).returncode)
    try:
        subprocess.run(["/nowhere"])
    except OSError as error:
        print(error)
    for method in "fork", "spawn":
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(method, pool.map(square, range(20)))
        queue = context.Queue()
        here, there = context.Pipe()
        process = context.Process(target=child, args=(queue, there))
        process.start()
        print(queue.get(), here.recv())
        process.join()
        print(process.exitcode)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.closerange(3, 4096)
        os.dup2(1, 30)
        os.write(30, b"from a fork\n")
        os._exit(5)
    print(os.waitpid(pid, 0)[1])
    sys.stdout.flush()
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "echo spawned; exit 6"], {},
                         file_actions=[(os.POSIX_SPAWN_DUP2, 1, 2), (os.POSIX_SPAWN_CLOSE, 0)])
    print(os.waitpid(pid, 0)[1])
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 40)
        os.close(40)
        try:
            os.close(40)
        except OSError as error:
            print(error)
EOT
    }
    same_in_every_mode plain python3 processes.py
    did 'status 0'
    did '^from a fork$'
}

@test "git" {
    prepare()
    {
        cat >script <<'EOT'
set -e
git init -q -b trunk a; cd a
seq 100 >numbers; echo text >text; git add .; git commit -q -m first
git checkout -q -b side; sed -i 1d numbers; git commit -q -a -m side
git checkout -q trunk; sed -i '$d' numbers; git commit -q -a -m trunk
git merge -m merged side; git log --graph --stat --format='%h %s'
git diff HEAD~1 | cat; git grep -n 42; git blame -s numbers | tail -n 2
git stash list; git tag -a -m tagged v1; git describe
git repack -q -a -d; git fsck
cd ..; git clone -q --no-local a b; cd b; git log --oneline; git archive HEAD | tar t
git push -q origin HEAD:refs/heads/pushed; git ls-remote origin
git checkout nothing || status=$?
# These hold the numbers of inodes and times to the nanosecond.
rm .git/index ../a/.git/index
exit $status
EOT
    }
    same_in_every_mode plain sh ./script
    did 'status 1'
    did 'refs/heads/pushed'
}

@test "tar, find, xargs and their pipelines" {
    prepare()
    {
        mkdir -p tree/deep/deeper
        seq 20000 >tree/one
        seq -f 'tree/deep/%g.txt' 40 | xargs touch
        ln -s one tree/link
        cat >script <<'EOT'
tar --sort=name --mtime=@1700000000 --owner=0 --group=0 -cf - tree | gzip -n >tree.tar.gz
tar -tvzf tree.tar.gz
mkdir out && tar -xzf tree.tar.gz -C out && diff -r tree out/tree && echo same
find tree -type f | sort | xargs -n 3 -P 2 sha256sum
find tree -name '*.txt' -exec sh -c 'echo "$1"; exit 1' - {} \; | sort | tail -n 3
find tree -type f -print0 | xargs -0 -n 1 -P 4 wc -c
seq 5 | xargs -n 1 sh -c 'exit $(($1 > 3))' -; echo "status $?"
tar -xf nothing.tar; echo "status $?"
EOT
    }
    same_in_every_mode sorted sh ./script
    did '^same$'
    did 'status 2$'
}
