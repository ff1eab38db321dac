#!/usr/bin/env bats
# Thousands of connections that a fork shares.

# Takes long.

load ../support/helper
load ../support/owner

@test "10,000 closed by parent and child at the same moment: drained, none is reset" {
    played drain owner_many at-the-same-moment 10000
    same $'peers read 0 bytes, 0 errors\nresets for unread data 0' "$(<"$BATS_TEST_TMPDIR/drain")"
}

@test "2,000 closed by parent and child at the same moment: as bare" {
    as_bare log -- owner_many at-the-same-moment 2000
}

@test "10,000 inherited by a child that exits: the parent reads every byte" {
    as_bare drain -- owner_many inherited 10000
    # What the parent still holds is no close of the child's: not a line, and nothing to sum up.
    asserts 'len(unread) == 0'
    # How long fork, exit and wait took is for whoever reads this: a busy machine has its own idea.
    played bare owner_many inherited 10000
    echo "# fork, exit and wait: $(<"$BATS_TEST_TMPDIR/stderr") ms bare" >&3
    played drain owner_many inherited 10000
    echo "# fork, exit and wait: $(<"$BATS_TEST_TMPDIR/stderr") ms drain" >&3
}

@test "more shared than are counted: a child reads every byte of 18,000" {
    as_bare drain -- owner_many beyond-counts 18000
}
