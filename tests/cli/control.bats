#!/usr/bin/env bats
# SAFECLOSE_CONTROL: the mode of a running program, switched by a file. The witness of a mode is what the
# clients of a server read: a reset, an end behind which more is refused, or one behind which more is
# taken (control.py); the log is asked only what it tells. Runs as root, which alone can give a file away.

# Takes long.

load ../support/helper

# plays SCENARIO: in an empty directory.
plays()
{
    local directory
    directory=$(mktemp -d "$BATS_TEST_TMPDIR/control.XXXX")
    chmod 755 "$BATS_TEST_TMPDIR" "$directory"
    python3 "$BATS_TEST_DIRNAME/control.py" "$directory" "$1" 3>&-
}

# play_all SCENARIO...: at the same time, as each is waiting for the next look most of the time.
play_all()
{
    local scenario pid pids=() failed=()
    for scenario; do
        plays "$scenario" >"$BATS_TEST_TMPDIR/$scenario" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed+=("$1")
        shift
    done
    ((${#failed[@]} == 0)) || fail "${failed[*]}" "$(cd "$BATS_TEST_TMPDIR" && cat "${failed[@]}")"
}

@test "warn, linger, warn and linger again: connections that were open before each switch" {
    plays to_linger_and_back
}

@test "the same in a program with threads" {
    plays to_linger_and_back_with_threads
}

@test "to drain, to log, to off" {
    plays to_drain
}

@test "the file holds from the start, over SAFECLOSE_MODE=off too" {
    plays holds_at_the_start
}

@test "from off: silent until it is switched on, and nothing was missed meanwhile" {
    plays from_off
    plays always_off
}

@test "a missing file, and one that is empty at two looks: SAFECLOSE_MODE holds" {
    plays missing_and_empty
}

@test "a file that is written in place, its size and time as they were" {
    plays written_in_place
}

@test "a word that is no mode, bytes, two words, a huge file: told once, the mode stays" {
    play_all bad_word bad_bytes two_words huge
}

@test "a file of another user's, or that others may write to: told once, the mode stays" {
    play_all foreign writable
}

@test "a pipe, a directory, a hard link, another user's symbolic link: told once, the mode stays" {
    play_all a_pipe a_directory hard_link foreign_link
}

@test "symbolic links of root's own are followed, and may be exchanged" {
    plays own_link
}

@test "a file that can't be used at the start" {
    plays at_the_start
}

@test "a file that is replaced all the while, by others' too" {
    plays race
}

@test "in a chroot the last mode stays" {
    plays in_a_chroot
}

@test "a family of workers: each looks for itself" {
    plays workers
}

@test "the lot looks while something lingers, and what lingers ends in order in a lower mode" {
    plays the_lot_looks
}

@test "the lot is ended before rights are dropped, in a mode that needs none too" {
    plays rights
}

@test "most closes ask nothing: one look a second" {
    plays cost
}

# fclose looks at the file, and what the stream holds is yet to be written then.
@test "the fclose that finds linger in the file loses nothing of its stream" {
    cd "$BATS_TEST_TMPDIR"
    echo log >mode
    run -0 env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_CONTROL="$PWD/mode" SAFECLOSE_LOG=none python3 -c '
import ctypes, socket, time
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
listener = socket.create_server(("127.0.0.1", 0))
def answered():
    client = socket.create_connection(listener.getsockname())
    client.send(b"12345")
    server, _ = listener.accept()
    stream = ctypes.c_void_p(libc.fdopen(server.detach(), b"w"))
    libc.fputs(b"answer", stream)
    closed = libc.fclose(stream)
    try: return closed, client.recv(9)
    except ConnectionResetError: return closed, "reset"
answered()
open("mode", "w").write("linger\n")
time.sleep(1.2)
print(answered(), answered())'
    same "(0, b'answer') (0, b'answer')" "$output"
}
