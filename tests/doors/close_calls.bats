#!/usr/bin/env bats
# What the calls that the library stands in front of return, leave in errno and do with their
# arguments, also with arguments that are wrong: the same in every mode as without the library, call by
# call (scene_calls.c).

load ../support/helper
load ../support/scene

untraced=yes

# as_bare STEP...: the program's calls return, leave in errno and do what they do without the library.
as_bare()
{
    never_changed "$@"
    # Nothing that was compared may have been empty.
    (($(wc -l <<<"$comparable") > 10)) || fail "no calls were made"
}

@test "close: results and errno are as bare, also of what was never open" {
    as_bare --alone 'program calls close'
    saw 'close -1' '-1 EBADF' 'close not open' '-1 EBADF' 'close INT_MAX' '-1 EBADF'
    same 0 "$closes"
}

@test "socket: results and errno are as bare" {
    as_bare --alone 'program calls socket'
}

@test "listen: results and errno are as bare" {
    as_bare --alone 'program calls listen'
}

@test "setsockopt: results and errno are as bare, also for what can't be read" {
    as_bare --alone 'program calls setsockopt'
    saw 'setsockopt nowhere' '-1 EFAULT'
}

@test "accept and accept4: results, errno and addresses are as bare, also for room that is too small" {
    as_bare --alone 'program listens' 'peer connects 19' 'program calls accept' \
        'peer all read to the end'
    saw 'accept nobody' '-1 EAGAIN' peers_eof 19
}

@test "accept and accept4 with a length that can't be read: EFAULT, as bare" {
    as_bare --alone 'program listens' 'peer connects 2' 'program calls accept with its size nowhere' \
        'peer all read to the end'
    saw 'accept size nowhere' '-1 EFAULT'
}

@test "accept of a connection that its peer has reset: as bare" {
    never_changed --alone 'program listens' 'peer connects' 'peer sends 10' 'peer resets' \
        'program accepts' 'program awaits CLOSE' 'program closes'
    saw fd 4
}

@test "connect: results and errno are as bare" {
    as_bare --alone 'program listens' 'program calls connect'
}

@test "dup, dup2 and dup3: results and errno are as bare" {
    as_bare 'program calls dup'
}

@test "fcntl and fcntl64: every kind of argument arrives, results and errno are as bare" {
    as_bare 'program calls fcntl'
}

@test "sendmsg and sendmmsg: results and errno are as bare, also for control data that is wrong" {
    as_bare 'program calls sendmsg'
}

@test "fork, _Fork and vfork: results, errno and the child's errno are as bare" {
    as_bare --alone 'program calls fork'
    saw 'vfork child' kept
}

@test "system and popen: results, errno and streams are as bare" {
    as_bare --alone 'program calls system'
    saw system '768 kept'
}

@test "posix_spawn and posix_spawnp: results, errno, actions and environments are as bare" {
    as_bare 'program calls posix_spawn'
}

