#!/usr/bin/env bats
# What the library says of a close is what the kernel did: scenarios drawn from a number, each played
# without the library, under log, under drain and under linger (referee.h). One that fails prints its
# seed, and `make referee SEED=...` plays it again.

# Takes long.

setup()
{
    load ../support/helper
}

# plays OPTION...: no mismatch; how many were played, and how, is told either way.
plays()
{
    run "$programs/referee" "$@"
    echo "$output"
    same 0 "$status"
    echo "# ${lines[-1]}" >&3
}

@test "2,000 scenarios: what is logged is what the kernel did" {
    plays --first 1 --count 2000
}

@test "500 scenarios that nobody has played before" {
    plays --fresh --count 500
}

@test "the kernel's counters alone say the same" {
    plays --counters --first 100000 --count 300
}

@test "data that comes between the question and the close: measured, and nothing else is wrong" {
    run -0 "$programs/referee" --race --count 500
    echo "$output"
    grep -E '^[a-z]|in between' <<<"$output" | sed 's/^/# /' >&3
}
