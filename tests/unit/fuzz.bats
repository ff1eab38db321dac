#!/usr/bin/env bats
# What the fuzzers have found, and what they begin with, is played again, with the sanitizers: a fault,
# or a value that breaks what the rest relies on, ends replay_X.

load ../support/helper

@test "every fuzzer has a corpus, and passes it" {
    count=0
    for source in "$top"/tests/unit/fuzz_*.c; do
        name=$(basename "$source" .c)
        name=${name#fuzz_}
        files=$(find "$top/tests/unit/corpus/$name" -type f | wc -l)
        ((files > 0)) || fail "no corpus: tests/unit/corpus/$name"
        run -0 --separate-stderr "$programs/replay_$name" "$top/tests/unit/corpus/$name"
        same '' "$stderr"
        same "$files files" "$output"
        count=$((count + 1))
    done
    ((count >= 2))
}

@test "a fault in what is fuzzed ends the replay" {
    sed 's/to->port_ranges = 0;/to->port_ranges = 65;/' "$top/shim/settings/options.c" >"$BATS_TEST_TMPDIR/options.c"
    run ! cmp -s "$top/shim/settings/options.c" "$BATS_TEST_TMPDIR/options.c"
    sed "s:\"../../shim/settings/options.c\":\"$BATS_TEST_TMPDIR/options.c\":" "$top/tests/unit/fuzz_options.c" \
        >"$BATS_TEST_TMPDIR/fuzz_options.c"
    gcc -std=gnu11 -I"$top/shim" -fsanitize=address,undefined -o "$BATS_TEST_TMPDIR/replay" \
        "$BATS_TEST_TMPDIR/fuzz_options.c" "$top/tests/unit/replay.c"
    printf 'PORTS\n0' >"$BATS_TEST_TMPDIR/bad"
    run -0 "$programs/replay_options" "$BATS_TEST_TMPDIR/bad"
    run ! "$BATS_TEST_TMPDIR/replay" "$BATS_TEST_TMPDIR/bad"
}
