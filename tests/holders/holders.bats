#!/usr/bin/env bats
# Nothing is touched that somebody else may still use: programs that are right without the library stay so.

load ../support/helper

# gets LINE...: what a scene prints, bare and in every mode that acts.
gets()
{
    local scene=$1 mode
    shift
    same "$(printf '%s\n' "$@")" "$(timeout 60 "$programs/holders" "$scene" 3>&-)"
    for mode in drain linger; do
        same "$mode: $(printf '%s\n' "$@")" \
            "$mode: $(SAFECLOSE_LOG=none preloaded "$mode" timeout 60 "$programs/holders" "$scene")"
    done
}

@test "a connection that a child hands over while its parent looks who holds it" {
    gets handed-over '1500 of 1500 whole'
}

@test "a call in another thread, closed there and given up last by a fork child" {
    gets writer-blocked 'written: 8000000' 'read: 8000000'
}

@test "after a vfork whose thread makes no further call, remedies go on" {
    for mode in drain linger; do
        same "$(printf '%s\n' EOF EOF EOF EOF EOF)" \
            "$(SAFECLOSE_LOG=none preloaded "$mode" timeout 60 "$programs/holders" after-vfork)"
    done
}

@test "beside 500 workers, 3,000 forks: nothing is unknown, and memory stays" {
    for mode in drain linger; do
        same '3000 of 3000 mended, memory flat: yes' \
            "$(SAFECLOSE_LOG=none preloaded "$mode" timeout 120 "$programs/holders" many-forks 3000)"
    done
}

@test "what nine dead children have given up leaves room: the last holder acts" {
    for mode in drain linger; do
        same '50 of 50 mended' \
            "$(SAFECLOSE_LOG=none preloaded "$mode" timeout 60 "$programs/holders" given-by-many)"
    done
}
