#!/usr/bin/env bats
# The log file where other users have a hand in its path: nobody makes the library write to a file, or
# create one, that they chose. The witness is the file system: a directory of victims that no test may
# change.

# Takes long.

load ../support/helper

user=1234  # whom the program runs as, where not as root
other=4321 # who is up to something

setup()
{
    setpriv --reuid=$user --clear-groups true 2>/dev/null || skip 'not root'
    dir=$BATS_TEST_TMPDIR
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$dir"
    cd "$dir" || return
}

as()
{
    setpriv --reuid="$1" --regid="$1" --clear-groups "${@:2}" 3>&-
}

# program LOG STEP...: the speaker of user $me, with that log.
program()
{
    as "$me" env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log SAFECLOSE_LOG="$1" "$speaker" "${@:2}"
}

closes_in()
{
    grep -c '"event":"close"' "$1" || true
}

# What nobody may make the library change.
victims()
{
    find victims -printf '%p %y %m %U %s %n\n' | sort
    find victims -type f -exec cat {} +
}

# An empty place, and victims, all of them the program's user's.
fresh()
{
    rm -rf place victims kept
    mkdir place victims
    echo precious >victims/file
    chown -R "$me:$me" place victims
}

refused_at_start()
{
    run -0 --separate-stderr program "$1" unread:2
    same "unable to open log \"$1\": $2; logging to stderr" \
        "$(grep -o 'unable.*' <<<"$stderr")"
    same 2 "$(grep -c 'RST \[unread-data\]' <<<"$stderr")"
}

# The log is opened, then moved away, and the trick is put in its place.
refused_at_rotation()
{
    local trick=$3
    mkdir -p "${1%/*}"
    chown "$me" "${1%/*}"
    begin program "$1" unread wait unread:3
    hear waiting
    mv "$1" kept
    rmdir place/sub 2>/dev/null || true
    "$trick"
    before=$(victims)
    go_on
    finish
    untrue=$2 json kept '
import os
problems = [e["problem"] for e in events if e["event"] == "problem"]
assert problems == ["unable to open log \"'"$1"'\": %s; the log stays in the file that is open" % os.environ["untrue"]], problems
assert [len(closes), summaries[0]["lost"]] == [4, 0], events'
}

# refused TRICK PATH REASON: by root's program and by a user's, at start and at rotation.
refused()
{
    local me before
    for me in 0 $user; do
        fresh
        "$1"
        before=$(victims)
        refused_at_start "$dir/$2" "$3"
        same "$before" "$(victims)"
        fresh
        refused_at_rotation "$dir/$2" "$3" "$1"
        same "$before" "$(victims)"
    done
}

# taken TRICK PATH FILE: the log of that path is FILE, at start and at rotation.
taken()
{
    local me
    for me in 0 $user; do
        fresh
        "$1"
        program "$dir/$2" unread:2
        same "2 $me 600" "$(closes_in "$3") $(stat -c '%u %a' "$3")"
        begin program "$dir/$2" unread wait unread:3
        hear waiting
        mv "$3" kept
        go_on
        finish
        same '3 3' "$(closes_in kept) $(closes_in "$3")"
    done
}

link_reason()
{
    echo "its component \"${1-log}\" is a symbolic link that another user may have made"
}

# ---- Tricks ------------------------------------------------------------------------------------

link_in_their_directory()
{
    chown $other place
    as $other ln -s "$dir/victims/file" place/log
}

dangling_link_in_their_directory()
{
    chown $other place
    as $other ln -s "$dir/victims/new" place/log
}

our_link_in_their_directory()
{
    as "$me" ln -s "$dir/victims/file" place/log
    chown $other place
}

their_link_in_a_sticky_directory()
{
    chown 0 place
    chmod 1777 place
    as $other ln -s "$dir/victims/file" place/log
}

their_link_in_our_directory()
{
    ln -s "$dir/victims/file" place/log
    chown -h $other place/log
}

our_link_where_a_group_may_write()
{
    chmod 770 place
    as "$me" ln -s "$dir/victims/file" place/log
}

our_link_where_all_may_write()
{
    chmod 707 place
    as "$me" ln -s "$dir/victims/file" place/log
}

our_link_with_two_names()
{
    as "$me" ln -s "$dir/victims/file" place/log
    ln -P place/log place/log2
}

their_link_on_the_way()
{
    chown $other place
    as $other ln -s "$dir/victims" place/sub
}

their_link_behind_ours()
{
    mkdir place/theirs
    chown $other place/theirs
    as "$me" ln -s theirs/link place/log
    as $other ln -s "$dir/victims/file" place/theirs/link
}

hard_link()
{
    ln victims/file place/log
    chown $other place
}

their_file()
{
    touch place/log
    chown $other place/log
    chmod 666 place/log
}

their_file_behind_our_link()
{
    as "$me" ln -s file place/log
    touch place/file
    chown $other place/file
    chmod 666 place/file
}

their_fifo()
{
    mkfifo place/log
    chown $other place/log
    chmod 666 place/log
}

@test "a symbolic link in another user's directory is refused" {
    refused link_in_their_directory place/log "$(link_reason)"
    refused our_link_in_their_directory place/log "$(link_reason)"
}

@test "a dangling symbolic link in another user's directory creates nothing" {
    refused dangling_link_in_their_directory place/log "$(link_reason)"
}

@test "another user's symbolic link is refused, in a sticky directory and in our own" {
    refused their_link_in_a_sticky_directory place/log "$(link_reason)"
    refused their_link_in_our_directory place/log "$(link_reason)"
}

@test "a symbolic link in a directory that a group or all may write is refused" {
    refused our_link_where_a_group_may_write place/log "$(link_reason)"
    refused our_link_where_all_may_write place/log "$(link_reason)"
}

@test "a symbolic link that has a second name is refused" {
    refused our_link_with_two_names place/log "$(link_reason)"
}

@test "another user's symbolic link is refused on the way, too" {
    refused their_link_on_the_way place/sub/file "$(link_reason sub)"
    refused their_link_on_the_way place/sub/new "$(link_reason sub)"
}

@test "another user's symbolic link is refused where a link of ours leads there" {
    refused their_link_behind_ours place/log "$(link_reason link)"
}

@test "a hard link to a file of ours is refused" {
    refused hard_link place/log 'it has other names (hard links)'
}

@test "another user's file or pipe is refused" {
    refused their_file place/log "it belongs to another user (uid $other)"
    refused their_file_behind_our_link place/log "it belongs to another user (uid $other)"
    refused their_fifo place/log "it belongs to another user (uid $other)"
}

@test "a disk is refused" {
    me=0
    fresh
    disk=(/dev/loop[0-9]*)
    # There are machines without one, and containers that have it and may not open it.
    if ! [[ -b ${disk[0]} ]] || ! (exec {fd}>>"${disk[0]}") 2>/dev/null; then return 0; fi
    refused_at_start "${disk[0]}" 'it is not a regular file, a pipe or a character device'
}

# ---- What is taken -------------------------------------------------------------------------------

their_directory()
{
    # The program's user may write there.
    chown "$other:$me" place
    chmod 775 place
}

our_links()
{
    mkdir place/a place/a/b
    ln -s ../../place/./a//b place/a/link
    ln -s "$dir/place/a/link/" place/absolute
    ln -s absolute place/relative
    ln -s ../file place/a/b/log
    chown -hR "$me" place
}

roots_links()
{
    ln -s "$dir/victims" place/sub
    chown 0 place
}

our_link_in_a_sticky_directory()
{
    chown 0 place
    chmod 1777 place
    as "$me" ln -s "$dir/victims/log" place/log
}

@test "another user's directory is walked through, and the log created in it" {
    taken their_directory place/log place/log
}

@test "symbolic links of ours and of root's are followed, however they are written" {
    taken our_links place/relative//../b/./log place/a/file
    taken our_links place/a/link/log place/a/file
    taken roots_links place/sub/log victims/log
}

@test "a symbolic link of ours in a sticky directory is followed" {
    taken our_link_in_a_sticky_directory place/log victims/log
}

@test "forty symbolic links are followed, and no more; long ones as far as the kernel goes" {
    me=$user
    fresh
    long=$(printf './%.0s' {1..1900})
    for i in {1..41}; do
        as $me ln -s "${long}link$((i - 1))" "place/link$i"
    done
    program "$dir/place/link40" unread
    same 1 "$(closes_in place/link0)"
    refused_at_start "$dir/place/link41" 'Too many levels of symbolic links'
    as $me ln -s loop place/loop
    refused_at_start "$dir/place/loop" 'Too many levels of symbolic links'
}

@test "a path that ends with a slash, or leads through a file, is no log" {
    me=$user
    fresh
    as $me touch place/file
    as $me ln -s ../victims/ place/link
    refused_at_start "$dir/place/link" 'Is a directory'
    refused_at_start "$dir/place/.." 'Is a directory'
    refused_at_start "$dir/place/new/" 'No such file or directory'
    refused_at_start "$dir/place/file/" 'Not a directory'
    refused_at_start "$dir/place/file/log" 'Not a directory'
    refused_at_start "/" 'Is a directory'
}

@test "the kernel's own links are followed: /dev/stderr is whatever it is" {
    for me in 0 $user; do
        fresh
        # As a shell of another user's opens it for the program.
        install -m 666 -o $other /dev/null "err.$me"
        for log in /dev/stderr /proc/self/fd/2 /proc/thread-self/fd/2; do
            : >"err.$me"
            program $log unread:2 2>>"err.$me"
            same 2 "$(closes_in "err.$me")" || fail "$(<"err.$me")"
        done
    done
    me=0
    program /dev/stderr unread:2 2>&1 >/dev/null | cat >out
    same 2 "$(closes_in out)"
}

@test "a descriptor that is open for reading only is no log" {
    me=0
    fresh
    before=$(victims)
    exec {reader}<victims/file
    program "/proc/self/fd/$reader" unread 2>err
    exec {reader}<&-
    same "$before" "$(victims)"
    matches 'it is a descriptor that is open for reading only; logging to stderr' "$(<err)"
}

@test "devices are taken, also where root shows as nobody" {
    for me in 0 $user; do
        run -0 --separate-stderr program /dev/null unread
        same '' "$stderr"
    done
    me=$user
    # Some machines allow nobody but root a user namespace.
    as $me unshare -r true 2>/dev/null || return 0
    run -0 --separate-stderr as $me unshare -r env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log \
        SAFECLOSE_LOG=/dev/null "$speaker" unread
    same '' "$stderr"
}

@test "a walk leaves no descriptor behind" {
    me=0
    fresh
    our_links
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 program "$dir/place/relative/log" unread 'shell:ls -l /proc/$PPID/fd'
    same "$dir/place/a/file" "$(grep -o -e '/[^ ]*place.*' -e ' /$' <<<"$output")"
}

# ---- After a refusal -----------------------------------------------------------------------------

@test "what was refused is tried again after a second, in case it was mended, and told once" {
    me=0
    fresh
    begin program "$dir/place/log" unread wait unread:3 wait unread wait unread
    hear waiting
    mv place/log kept
    their_file
    go_on
    hear waiting
    sleep 1.1
    go_on
    hear waiting
    chown 0 place/log
    sleep 1.1
    go_on
    finish
    same '5 1' "$(closes_in kept) $(closes_in place/log)"
    same 1 "$(grep -c '"event":"problem"' kept)"
}

@test "what was refused is tried again at once when something else is there" {
    me=0
    fresh
    begin program "$dir/place/log" unread wait unread wait unread
    hear waiting
    mv place/log kept
    their_file
    go_on
    hear waiting
    install -m 600 /dev/null place/new
    mv place/new place/log
    go_on
    finish
    same '2 1' "$(closes_in kept) $(closes_in place/log)"
}

@test "what was refused costs no walk for each line" {
    me=0
    fresh
    begin strace -f -qq -e trace=openat -o trace env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log \
        SAFECLOSE_LOG="$dir/place/log" "$speaker" unread wait unread:60
    hear waiting
    mv place/log kept
    their_link_in_our_directory
    : >trace
    go_on
    finish
    same 61 "$(closes_in kept)"
    walks=$(grep -c '"place"' trace)
    ((walks >= 1 && walks <= 10)) || fail "$walks walks"
}

@test "a log that the program has closed is not opened again where a trick is" {
    me=0
    fresh
    before=$(victims)
    begin program "$dir/place/log" unread wait range-close-all unread:2
    hear waiting
    mv place/log kept
    link_in_their_directory
    go_on
    finish
    same "$before 1" "$(victims) $(closes_in kept)"
}

@test "a text log has the refusal in a line like the others" {
    me=0
    fresh
    export SAFECLOSE_FORMAT=text
    begin program "$dir/place/log" unread wait unread:3
    hear waiting
    mv place/log kept
    their_file
    go_on
    finish
    same "safeclose: TIME speaker[PID]: unable to open log \"$dir/place/log\": it belongs to another user (uid $other); the log stays in the file that is open" \
        "$(sed -E 's/^(safeclose: )[0-9-]+T([0-9:.]{12})[0-9]{3}Z/\1\2Z/' kept | undated | grep unable)"
}

# ---- What is exchanged between two looks ------------------------------------------------------------

# exchanging A B COMMAND...: runs it while another user exchanges the two names in a tight loop.
exchanging()
{
    local attacker status=0 begun
    exec {begun}< <(exec 3>&- && exec setpriv --reuid=$other --regid=$other --clear-groups \
        python3 "$BATS_TEST_DIRNAME/sink_paths.py" "$1" "$2")
    attacker=$!
    read -r -t 30 -u "$begun"
    "${@:3}" || status=$?
    kill "$attacker"
    exec {begun}<&-
    return "$status"
}

# Hundreds of starts, of which `true` is over in a millisecond, and one program that looks at the name
# before each of many lines.
many_opens()
{
    local i
    for i in {1..200}; do
        LD_PRELOAD=$LIBSAFECLOSE SAFECLOSE_MODE=log SAFECLOSE_LOG=$1 /bin/true
    done
    for i in {1..20}; do
        program "$1" unread 2>/dev/null
    done
    program "$1" unread:150 2>/dev/null
}

unharmed()
{
    local before me=0
    before=$(victims)
    exchanging "$1" "$2" untraced_by_bats many_opens "$dir/$3"
    same "$before" "$(victims)"
}

# The directory is theirs, and in it the log, as root's program created it.
their_place()
{
    me=0
    fresh
    chown $other place
    program "$dir/place/log" unread
}

# The log was one of the two names often enough for that to have been a game.
was_written()
{
    (($(find place -type f -exec cat {} + | grep -c '"event":"close"') > 2))
}

@test "a log and a symbolic link are exchanged, and no victim is written to" {
    for victim in file new; do
        their_place
        as $other ln -s "$dir/victims/$victim" place/trick
        unharmed place/log place/trick place/log
        was_written
    done
}

@test "a log and a hard link are exchanged, and no victim is written to" {
    their_place
    ln victims/file place/trick
    unharmed place/log place/trick place/log
    was_written
}

@test "a directory on the way and a symbolic link are exchanged, and no victim is written to" {
    their_place
    as $other mkdir place/sub
    as $other ln -s "$dir/victims" place/trick
    unharmed place/sub place/trick place/sub/file
    unharmed place/sub place/trick place/sub/new
    was_written
}

@test "in another user's directory a link of root's is exchanged for another, and neither is followed" {
    their_place
    as $other ln -s "$dir/place/log" place/good
    chown -h 0 place/good
    as $other ln -s "$dir/victims/file" place/trick
    unharmed place/good place/trick place/good
    same 1 "$(closes_in place/log)"
}
