#!/usr/bin/env bats
# The log file: how it is opened, what it survives, and that neither the program nor any file of the
# program's ever notices it. The witness is the file system.

load ../support/helper

setup()
{
    dir=$BATS_TEST_TMPDIR
    log=$dir/log
    cd "$dir" || return
}

# logged MODE COMMAND...: with $log as its log.
logged()
{
    SAFECLOSE_LOG=$log preloaded "$@"
}

# The number of events in a file.
closes_in()
{
    grep -c '"event":"close"' "$1" || true
}

# Needs privileges that an ordinary user has not, even in a namespace of their own.
needs_root()
{
    setpriv --reuid=65534 --clear-groups true 2>/dev/null || skip 'not root'
}

# ---- Opening ---------------------------------------------------------------------------------

@test "a file that is created is its owner's alone, whatever the umask" {
    umask 0
    logged log "$speaker" unread
    same 600 "$(stat -c %a "$log")"
}

@test "a file that exists is appended to and keeps its mode" {
    echo earlier >"$log"
    chmod 640 "$log"
    logged log "$speaker" unread
    same earlier "$(head -n 1 "$log")"
    same 1 "$(closes_in "$log")"
    same 640 "$(stat -c %a "$log")"
}

@test "two runs append to one file" {
    logged log "$speaker" unread
    logged log "$speaker" unread
    json "$log" 'assert [len(starts), len(closes), len(summaries)] == [2, 2, 2]'
}

@test "the log is close-on-exec: no program that is started has it" {
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 logged log "$speaker" unread 'shell:ls -l /proc/$PPID/fd; echo child; ls -l /proc/self/fd'
    matches "$log" "${output%%child*}"
    if [[ ${output##*child} == *"$log"* ]]; then fail "$output"; fi
}

# The numbers of a program's descriptors that do not point to the log; nor is the library's own socket there, by
# which the kernel is asked what became of a close.
numbers()
{
    # shellcheck disable=SC2016 # for the shell that runs it
    "$@" "$speaker" unread 'shell:ls -l /proc/$PPID/fd' | grep -v "$log" |
        awk '$10 == "->" && $9 < 1000 { print $9 }' | sort -n
}

@test "the numbers that the program gets are the same as without a log" {
    expected=$(numbers env 3>&-)
    same "$expected" "$(SAFECLOSE_LOG=$log numbers preloaded log)"
    # shellcheck disable=SC2016 # for the shell that runs it
    own=$(logged log "$speaker" unread 'shell:ls -l /proc/$PPID/fd' | awk '$10 == "->" && $9 >= 1000' | wc -l)
    same 2 "$own" # the log, and the socket
    [ -s "$log" ]
}

@test "the log stands on a high number, also where the limit is low" {
    while read -r limit lowest; do
        # shellcheck disable=SC2016 # for the shell that runs it
        run -0 logged log prlimit --nofile="$limit" "$speaker" unread 'shell:ls -l /proc/$PPID/fd'
        number=$(awk -v file="$log" '$NF == file { print $9 }' <<<"$output")
        ((number >= lowest && number < limit)) || fail "$number of $limit: $output"
    done <<'END'
4096 1000
1024 1000
256 200
64 40
END
}

@test "%p is the pid, %% a percent sign" {
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 env SAFECLOSE_LOG="$dir/a%p%%b%p.%%p" LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log \
        "$speaker" unread 'shell:echo $PPID'
    same "a$output%b$output.%p" "$(ls)"
    same 1 "$(closes_in "a$output%b$output.%p")"
}

@test "a relative name means the directory that the program is started in" {
    mkdir elsewhere
    SAFECLOSE_LOG=here.log preloaded log "$speaker" unread chdir:elsewhere unread
    same 2 "$(closes_in here.log)"
    same '' "$(ls elsewhere)"
}

@test "a relative name keeps its meaning when the file is reopened" {
    mkdir elsewhere
    SAFECLOSE_LOG=here.log begin preloaded log "$speaker" unread chdir:elsewhere wait unread
    hear waiting
    mv here.log here.log.1
    go_on
    finish
    same 1 "$(closes_in here.log.1)"
    same 1 "$(closes_in here.log)"
    same '' "$(ls elsewhere)"
}

@test "a percent sign in the name of the directory is no placeholder" {
    for odd in 'a%pb' '100%' '%%'; do
        mkdir "$odd"
        (cd "$odd" && SAFECLOSE_LOG=log preloaded log "$speaker" unread)
        same log "$(ls "$odd")"
    done
}

@test "a name may hold blanks, newlines and what is no UTF-8" {
    name=$'a b\nc\xff"\\'
    SAFECLOSE_LOG=$dir/$name preloaded log "$speaker" unread
    same 1 "$(closes_in "$dir/$name")"
}

@test "a symbolic link is followed" {
    ln -s target "$log"
    logged log "$speaker" unread
    same 1 "$(closes_in target)"
}

@test "a file in a sticky directory is no symbolic link, and taken" {
    mkdir sticky
    chmod 1777 sticky
    SAFECLOSE_LOG=$dir/sticky/log preloaded log "$speaker" unread
    same 1 "$(closes_in sticky/log)"
}

# cannot_open NAME REASON: one line says so, and events go to stderr in its format.
cannot_open()
{
    SAFECLOSE_LOG=$1 run -0 --separate-stderr preloaded log "$speaker" unread:2
    same "safeclose: TIME speaker[PID]: unable to open log \"$1\": $2; logging to stderr" \
        "$(undated <<<"$stderr" | grep -F unable)"
    same 2 "$(grep -c 'RST \[unread-data\]' <<<"$stderr")"
}

@test "a log that can't be opened: one line with the reason, and stderr instead" {
    echo >file
    long=$(printf '%0300d' 0)
    cannot_open "$dir" 'Is a directory'
    cannot_open "$dir/" 'Is a directory'
    cannot_open "$dir/no/log" 'No such file or directory'
    cannot_open "$dir/file/log" 'Not a directory'
    SAFECLOSE_LOG=$dir/$long run -0 --separate-stderr preloaded log "$speaker" unread
    matches '": File name too long; logging to stderr' "$stderr"
}

@test "a log that may not be written: one line with the reason, and stderr instead" {
    needs_root
    chmod 755 "$dir"
    for denied in "$dir/log" "$dir/mine"; do
        echo mine >mine
        chmod 600 mine
        SAFECLOSE_LOG=$denied run -0 --separate-stderr preloaded log \
            setpriv --reuid=65534 --clear-groups "$speaker" unread
        matches "unable to open log \"$denied\": Permission denied; logging to stderr" "$stderr"
        matches 'RST \[unread-data\]' "$stderr"
    done
    same mine "$(<mine)"
}

@test "a UNIX socket is no log" {
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    cannot_open "$dir/socket" 'No such device or address'
}

@test "an odd name of a log that can't be opened forges no line" {
    SAFECLOSE_LOG=$dir/no/$'a\nsafeclose: forged\e[2J' run -0 --separate-stderr \
        preloaded log "$speaker" unread
    same 0 "$(grep -c '^safeclose: forged' <<<"$stderr")"
    matches 'no/a\\x0asafeclose: forged\\x1b\[2J": No such file' "$stderr"
}

@test "a program that uses no TCP is not told of a log that can't be opened" {
    SAFECLOSE_LOG=$dir/no/log run -0 --separate-stderr preloaded warn "$speaker" say:hello
    same hello "$output"
    same '' "$stderr"
}

# ---- What happens to the file ----------------------------------------------------------------

# rotated COMMAND...: an unread close, the command, another unread close.
rotated()
{
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread wait unread
    hear waiting
    "$@"
    go_on
    finish
    same 0 "$status"
}

@test "a log that is renamed is created anew" {
    rotated mv log log.1
    json log.1 'assert [len(closes), len(summaries)] == [1, 0]'
    json log 'assert [len(closes), len(summaries)] == [1, 1]'
    same 600 "$(stat -c %a log)"
}

@test "a log that is renamed and made anew by others is taken as it is" {
    # shellcheck disable=SC2317,SC2329 # called by rotated
    make_anew()
    {
        mv log log.1
        touch log
        chmod 640 log
    }
    rotated make_anew
    same '1 1' "$(closes_in log.1) $(closes_in log)"
    same 640 "$(stat -c %a log)"
}

@test "a log that is deleted is created anew" {
    rotated rm log
    json log 'assert [len(closes), len(summaries)] == [1, 1]'
}

@test "a log that is emptied begins anew" {
    rotated truncate -s 0 log
    json log 'assert [len(closes), len(summaries)] == [1, 1]'
}

@test "a log whose directory is gone goes on in the file that is held" {
    mkdir sub
    log=$dir/sub/log
    rotated mv sub moved
    json moved/log 'assert [len(closes), summaries[0]["lost"]] == [2, 0]
assert [e["problem"] for e in events if e["event"] == "problem"] == [
    "unable to open log \"'"$log"'\": No such file or directory; the log stays in the file that is open"]'
    [ ! -e sub ]
}

@test "a log is found again after it was made anew fifty times" {
    steps=(unread)
    for i in {1..50}; do
        steps+=(wait unread)
    done
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" "${steps[@]}"
    for i in {1..50}; do
        hear waiting
        mv log "log.$i"
        go_on
    done
    finish
    for file in log log.*; do
        same 1 "$(closes_in "$file")"
    done
    json log 'assert summaries[0]["lost"] == 0'
}

@test "reopening leaves no descriptor behind" {
    # shellcheck disable=SC2016 # for the shell that runs it
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread 'shell:ls /proc/$PPID/fd | wc -l' wait \
        unread wait unread 'shell:ls /proc/$PPID/fd | wc -l'
    hear
    before=$heard
    for i in 1 2; do
        hear waiting
        mv log "log.$i"
        go_on
    done
    finish
    same "$before" "$output"
}

@test "after a chroot the log goes on outside" {
    needs_root
    mkdir root
    logged log "$speaker" unread chroot:root unread:2
    json log 'assert [len(closes), summaries[0]["lost"]] == [3, 0]'
    same '' "$(ls root)"
}

@test "after a chroot the log's name means nothing: no file of that name appears inside" {
    needs_root
    mkdir -p "root/$dir"
    logged log "$speaker" unread chroot:root range-close-all unread:2 >/dev/null
    json log 'assert len(closes) == 1'
    same '' "$(find root -type f)"
}

@test "after a setuid the log goes on" {
    needs_root
    logged log "$speaker" unread user:65534 unread:2
    json log 'assert [len(closes), summaries[0]["lost"]] == [3, 0]'
}

@test "after a setuid a renamed log that can't be created goes on where it is" {
    needs_root
    chmod 755 "$dir"
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread user:65534 wait unread
    hear waiting
    mv log log.1
    go_on
    finish
    json log.1 'assert [len(closes), summaries[0]["lost"]] == [2, 0]
assert [e["problem"] for e in events if e["event"] == "problem"] == [
    "unable to open log \"'"$dir"'/log\": Permission denied; the log stays in the file that is open"]'
    [ ! -e log ]
}

# ---- Other processes -------------------------------------------------------------------------

@test "fork children write to the same file" {
    logged log "$speaker" unread children:5 unread:3
    json "$log" '
assert len(closes) == 16 and len({e["pid"] for e in closes}) == 6, closes
assert len(summaries) == 1 and summaries[0]["lost"] == 0, summaries
assert summaries[0]["confirmed"] == summaries[0]["outcomes"]["rst"] == 16, summaries'
}

@test "where the name holds the pid, fork children have files of their own" {
    SAFECLOSE_LOG=$dir/log.%p preloaded log "$speaker" unread children:5 unread:3
    same 6 "$(find . -name 'log.*' | wc -l)"
    for file in log.*; do
        json "$file" 'assert {e["pid"] for e in events} == {'"${file#log.}"'}, events
assert len(closes) in (1, 3), events'
    done
    cat log.* >all
    json all 'assert len(starts) == len(summaries) == 1 and summaries[0]["closes"] == 22, events'
}

@test "the name can hold the host's" {
    SAFECLOSE_LOG=$dir/log.%h.%p preloaded log "$speaker" unread
    same "log.$(uname -n | tr / _)" "$(find . -name 'log.*' -printf '%f\n' | sed 's/\.[0-9]*$//')"
    SAFECLOSE_LOG=$dir/slash.%h unshare -u sh -c 'hostname a/b 2>/dev/null || exit 0; exec "$@"' - \
        env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log "$speaker" unread 3>&-
    [[ ! -e slash.a_b ]] || json slash.a_b 'assert len(closes) == 1'
    [ ! -d slash.a ]
}

# A shell with 20 children would leave as many empty files.
@test "a program that uses no TCP leaves no file; one that changes its root or its rights may" {
    # shellcheck disable=SC2016 # for the shell that runs it
    SAFECLOSE_LOG=$dir/log.%p preloaded log bash -c 'for i in 1 2 3 4 5; do /bin/true; "$1" say:hello; done' - "$speaker" >/dev/null
    same 0 "$(find . -name 'log.*' | wc -l)"
    SAFECLOSE_LOG=$dir/log.%p preloaded log "$speaker" chroot:/ unread
    same 1 "$(find . -name 'log.*' | wc -l)"
}

# The parent uses TCP first, as in sinks.bats: else a child that ends before the others begin sums up for the family.
@test "lines of many processes with many threads do not mix" {
    run -0 counted TCPAbortOnClose logged log "$speaker" clean children:6 threads:4=20
    same 480 "$output"
    json "$log" '
assert len(starts) == len(summaries) == 1, summaries
s = summaries[0]
assert len(closes) + s["suppressed"] + s["lost"] == 480, s
assert s["causes"]["unread-data"] == 480, s
assert all(e["confirmed"] for e in closes), closes'
}

@test "threads and processes go on while the log is renamed under them" {
    # The parent uses TCP first here, too.
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" clean wait children:4 threads:4=20
    hear waiting
    go_on
    i=0
    while kill -0 "$program" 2>/dev/null; do
        if mv log "log.$i" 2>/dev/null; then i=$((i + 1)); fi
    done
    finish
    same 0 "$status"
    ((i > 0))
    cat log* >all
    json all '
assert len({e["cookie"] for e in closes}) == len(closes), "an event twice"
assert len(summaries) == 1, summaries
assert len(closes) + summaries[0]["suppressed"] + summaries[0]["lost"] == 320, summaries'
}

# ---- What the program does to the descriptor -------------------------------------------------

@test "a program that closes every number finds none that is not its own" {
    expected=$("$speaker" unread close-all 3>&-)
    run -0 logged log "$speaker" unread close-all
    same "$expected" "$output"
}

@test "a program that closes every number goes on being logged" {
    logged log "$speaker" unread close-all unread close-all unread >/dev/null
    json "$log" 'assert [len(closes), summaries[0]["lost"]] == [3, 0]'
}

@test "closing the log's number fails with EBADF" {
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 logged log prlimit --nofile=1024 "$speaker" unread close:1000 unread
    same 'close: Bad file descriptor' "$output"
    json "$log" 'assert len(closes) == 2'
}

@test "a log that is closed behind the library's back is opened again" {
    for way in raw-close-all range-close-all; do
        rm -f "$log"
        logged log "$speaker" unread $way unread $way unread
        json "$log" 'assert [len(closes), summaries[0]["lost"]] == [3, 0]'
    done
}

@test "a file of the program's that comes to stand on the log's number is not written to" {
    logged log "$speaker" unread over-all:mine unread over-all:mine2 unread
    same '0 0' "$(stat -c %s mine mine2 | xargs)"
    json "$log" 'assert [len(closes), summaries[0]["lost"]] == [3, 0]'
}

@test "with the limit lowered below the log's number it is reopened lower" {
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread descriptors:32 wait unread
    hear waiting
    mv log log.1
    go_on
    finish
    json log 'assert [len(closes), summaries[0]["lost"]] == [1, 0]'
}

# ---- No room ---------------------------------------------------------------------------------

# In a mount namespace of their own: what is mounted there is gone with the last process in it.
on_small_disk()
{
    # shellcheck disable=SC2016 # for the shell that runs it
    unshare -m sh -c 'mount -t tmpfs -o size=4k none "$1" && shift && exec "$@"' - "$@"
}

@test "a full disk does not stop the program, and the lines it swallowed are counted" {
    mkdir disk
    log=$dir/disk/log
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 on_small_disk disk sh -c 'env LD_PRELOAD="$1" SAFECLOSE_MODE=log SAFECLOSE_LOG="$2" \
        "$3" "shell:head -c 4096 /dev/zero >disk/filler" unread:10 say:hello "shell:rm disk/filler" \
        unread && cat disk/log >out' - "$LIBSAFECLOSE" "$log" "$speaker"
    same hello "$output"
    # The start of the process and its first ten closes.
    json out 'assert [len(closes), summaries[0]["lost"]] == [1, 11], events'
}

@test "/dev/full as a log loses every line and disturbs nothing" {
    SAFECLOSE_LOG=/dev/full run -0 --separate-stderr preloaded warn "$speaker" unread:3 end say:done
    same $'peer: 0 bytes, Connection reset by peer\ndone' "$output"
}

@test "a file-size limit neither kills the program nor raises a signal" {
    run -0 logged log "$speaker" unread file-size:1 unread:3 say:hello is-pending:25
    same $'hello\nsignal 25 is not pending' "$output"
    same 1 "$(closes_in "$log")"
}

@test "a file-size limit does not call the program's own handler for it" {
    run -0 logged log "$speaker" handle:25 unread file-size:1 unread:3 say:hello
    same hello "$output"
}

@test "a signal of that kind which the program itself keeps pending stays pending" {
    run -0 logged log "$speaker" block:25 raise:25 unread file-size:1 unread:3 is-pending:25
    same 'signal 25 is pending' "$output"
}

@test "what a file-size limit swallowed is counted, and the log goes on when it is lifted" {
    logged log "$speaker" unread file-size:1 unread:3 file-size:max unread
    json "$log" 'assert [len(closes), summaries[0]["lost"]] == [2, 3], events'
}

@test "after a torn line the next one begins on a line of its own" {
    # shellcheck disable=SC2016 # for the shell that runs it
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread 'shell:echo $PPID' wait unread:2 wait \
        unread:2
    hear
    pid=$heard
    hear waiting
    # Room for a hundred bytes of a line.
    prlimit --pid "$pid" --fsize=$(($(stat -c %s "$log") + 100)):
    go_on
    hear waiting
    prlimit --pid "$pid" --fsize=unlimited:
    go_on
    finish
    same 1 "$(grep -c '^{.*[^}]$' "$log")"
    sed -i '/[^}]$/d' "$log"
    json "$log" 'assert [len(closes), summaries[0]["lost"]] == [3, 2], events'
}

@test "after a torn line a new file begins with a line, not with a blank one" {
    # shellcheck disable=SC2016 # for the shell that runs it
    SAFECLOSE_LOG=$log preloaded log "$speaker" unread 'shell:prlimit --pid $PPID --fsize=$(($(stat -c %s log) + 100)):' \
        unread:3 file-size:max 'shell:mv log log.1' unread
    matches '[^}]$' "$(tail -c 1 log.1)"
    json log 'assert [len(closes), len(summaries)] == [1, 1], events'
}

# ---- What is no file -------------------------------------------------------------------------

@test "a fifo that nobody reads does not hold up the program" {
    mkfifo "$log"
    run -0 timeout 60 env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log SAFECLOSE_LOG="$log" \
        "$speaker" unread:3 say:hello
    same hello "$output"
}

@test "a reader that comes later reads what the fifo holds" {
    mkfifo "$log"
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread:3 wait
    hear waiting
    cat "$log" >out 3>&- &
    reader=$!
    # The program holds the fifo open: its end is the reader's end of file.
    wait_until test -s out
    go_on
    finish
    wait "$reader"
    json out 'assert [len(closes), summaries[0]["lost"]] == [3, 0], events'
}

@test "a fifo that is full loses lines, which are counted, and does not hold up the program" {
    mkfifo "$log"
    exec {fifo}<>"$log"
    dd if=/dev/zero of="$log" bs=4096 count=16 oflag=nonblock status=none
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread:10 wait unread
    hear waiting
    dd if="$log" of=/dev/null bs=4096 count=16 iflag=nonblock status=none
    go_on
    finish
    exec {reader}<"$log" {fifo}>&-
    cat <&"$reader" >out
    exec {reader}<&-
    # The start of the process and its first ten closes.
    json out 'assert [len(closes), summaries[0]["lost"]] == [1, 11], events'
}

@test "a fifo whose reader goes away kills nobody" {
    mkfifo "$log"
    cat "$log" >out 3>&- &
    reader=$!
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" handle:13 unread wait unread:3 say:hello \
        is-pending:13
    hear waiting
    kill "$reader"
    wait "$reader" || true
    go_on
    finish
    same 0 "$status"
    same $'hello\nsignal 13 is not pending' "$output"
}
