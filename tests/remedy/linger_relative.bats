#!/usr/bin/env bats
# What a relative of a process still does with a connection while that one closes it, in the mode linger: it has a
# stream to flush, or another connection under the same number. The truth is what the peers read.

load ../support/helper

# whole SCENE COUNT
whole()
{
    local mode
    for mode in off drain linger; do
        same "0 of $2 cut" "$(SAFECLOSE_LOG=none preloaded "$mode" "$programs/linger_relative" "$1" "$2" 3>&-)"
    done
}

@test "a child that ends has a stream to flush: its answer is whole" {
    whole plain 400
}

@test "a child that ends has a stream that the library has no room to remember: its answer is whole" {
    whole many 400
}

@test "a child that ends has a stream of its own functions: its answer is whole" {
    whole cookie 400
}

@test "a number that became another connection's unseen: that one is not touched" {
    [[ $(uname -m) == x86_64 ]] || skip 'calls that no hook sees are made by x86-64 instructions here'
    whole another 30
}

@test "what lingers once a child has ended sends no signals" {
    same '0 signals' "$(SAFECLOSE_LOG=none preloaded linger "$programs/linger_relative" signals 20 3>&-)"
}
