#!/usr/bin/env bats
# The doors of stdio: libc closes the descriptor of a stream where nobody can see it, and writes what is
# buffered before. Whatever the stream, it behaves as without the library.

load ../support/helper
load doors

player=door_stream
words='words that were never flushed;'

# flushes_first VIA [OPTION...] ACT: a door through which the buffered output goes to the peer before.
flushes_first()
{
    local bytes=$2
    unchanged "${@:3}"
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw peer_bytes "$bytes"
    one_event via "$1" cause unread-data outcome rst unread 1024 note ''
    drained drain "$1" "${@:3}"
    saw peer_bytes "$bytes"
    lingers "$1" "${@:3}"
    saw peer_bytes "$bytes"
}

@test "fclose is a door" {
    is_a_door fclose fclose
}

@test "fclose with output in the stream: it arrives, and the door is one" {
    flushes_first fclose ${#words} 'fclose write'
    saw peer_text "$words"
    flushes_first fclose ${#words} 'fclose both'
    flushes_first fclose $((1000 * ${#words})) 'fclose large'
}

@test "fclose with what stdio read ahead: nothing is unread" {
    is_no_door 'fclose read ahead'
    saw unread 0
    resets_nobody
}

@test "fclose of a stream whose descriptor is closed: EBADF, and no second event" {
    is_a_door close 'fclose after close'
    saw closes '-1 EBADF'
}

@test "fclose of a connection that is standard output is a door, its output arrives" {
    unchanged 'fclose stdout'
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw peer_text "$words"
    # The other number was closed first, and was not the last.
    same 2 "$closes"
    tells 1.via close 1.outcome none 1.note shared 2.via fclose 2.fd 1 2.outcome rst 2.note ''
    scene drain 'fclose stdout'
    resets_nobody
    saw peer_text "$words"
    tells 1.action passed 1.note shared 2.action drained 2.outcome fin
}

@test "pclose of a stream that popen did not open is a door" {
    is_a_door pclose pclose
    flushes_first pclose ${#words} 'pclose write'
}

@test "freopen is a door" {
    is_a_door freopen freopen
    saw closes '0 kept' getc -1
}

@test "freopen64 is a door of the same name" {
    is_a_door freopen freopen64
}

@test "freopen with output in the stream: it arrives" {
    flushes_first freopen ${#words} 'freopen write'
}

@test "freopen that cannot open closes the connection all the same, and is a door" {
    is_a_door freopen 'freopen fails'
    saw again '-1 EBADF'
    flushes_first freopen ${#words} 'freopen64 fails'
}

@test "freopen with a mode that is none closes the connection all the same, and is a door" {
    is_a_door freopen 'freopen mode'
    saw again '-1 EBADF'
}

@test "freopen(NULL) cannot open a connection anew, and is a door" {
    is_a_door freopen 'freopen NULL'
    saw again '-1 EBADF'
}

# musl does, glibc doesn't. Then the program goes on to read all there is.
@test "freopen without a path, where libc keeps the descriptor: nothing is given up" {
    scene off 'freopen NULL'
    [[ ${seen[getc]-} ]] || return 0
    read=${seen[getc]}
    for mode in log drain linger; do
        scene "$mode" 'freopen NULL'
        saw fileno "${seen[fd]}" getc "$read"
        same 0 "$closes"
    done
}

@test "freopen of a connection that is standard input is a door" {
    unchanged 'freopen stdin'
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw fileno 0
    tells 1.via close 1.note shared 2.via freopen 2.fd 0 2.outcome rst
    scene drain 'freopen stdin'
    resets_nobody
    tells 2.via freopen 2.action drained
}

# So glibc has no door here, and the library no hook.
@test "fcloseall flushes and closes no descriptor: the close that follows is the door" {
    flushes_first close ${#words} fcloseall
    saw open 1 unread 1024 fcloseall '0 kept'
}

@test "a stream that closes a connection by a function of the program's: its close is the door" {
    is_a_door close cookie
    saw again '-1 EBADF'
}

# The jump leaves pclose while it waits for its child; a connection then gets the number of its pipe.
@test "a close of the number that a door left by siglongjmp was about is a door" {
    is_a_door close jump
    saw 'same number' 1
}

# untouched ACT: as bare in every mode, and nothing to tell.
untouched()
{
    SAFECLOSE_EVENTS=all never_changed --count 0 "$1"
    same 0 "$closes"
    same 0 "$summaries"
}

@test "streams without a descriptor close as bare" {
    untouched 'no descriptor'
    saw memstream '0 kept' cookie '-1 EXFULL'
}

@test "files, and commands that popen started, close as bare" {
    untouched files
    saw 'fclose full' '-1 ENOSPC'
}

@test "the standard streams close as bare, also twice" {
    untouched standard
}
