#!/usr/bin/env bats
# Urgent data: FIONREAD does not count it, and it resets all the same. Witnesses as in close.bats.

load ../support/helper
load ../support/scene

# urgent_resets UNREAD STEP...: a reset that off, log and warn leave as it is; told as urgent.
urgent_resets()
{
    local unread=$1
    shift
    unchanged "$@" 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    tells cause unread-data outcome rst urgent true unread "$unread" action none
}

# urgent_drained STEP...: no reset when drained.
urgent_drained()
{
    scene drain "$@" 'program closes' "$end"
    resets_nobody
    tells cause unread-data outcome fin urgent true action drained
}

@test "a lone urgent byte resets, though FIONREAD is 0" {
    urgent_resets 0 'peer sends urgent'
}

@test "a lone urgent byte: FIN when drained" {
    urgent_drained 'peer sends urgent'
}

@test "an urgent byte with more behind it resets, though FIONREAD is 0" {
    urgent_resets 0 'peer sends urgent' 'peer sends 100'
}

@test "an urgent byte with more behind it: FIN when drained" {
    urgent_drained 'peer sends urgent' 'peer sends 100'
    tells discarded 100
}

@test "an urgent byte in the middle: only the bytes before it are counted" {
    urgent_resets 100 'peer sends 100' 'peer sends urgent' 'peer sends 50'
}

@test "an urgent byte in the middle: FIN when drained, across the mark" {
    urgent_drained 'peer sends 100' 'peer sends urgent' 'peer sends 50'
    tells discarded 150
}

@test "an urgent byte that was read with MSG_OOB still resets" {
    urgent_resets 0 'peer sends urgent' 'program reads urgent'
}

@test "an urgent byte that was read with MSG_OOB: FIN when drained" {
    urgent_drained 'peer sends urgent' 'program reads urgent'
}

@test "an urgent byte followed by FIN resets" {
    urgent_resets 0 'peer sends urgent' 'peer shuts down' 'program awaits CLOSE_WAIT'
}

@test "an urgent byte followed by FIN: FIN when drained" {
    urgent_drained 'peer sends urgent' 'peer shuts down' 'program awaits CLOSE_WAIT'
}

@test "an urgent byte inline (SO_OOBINLINE) resets, and is counted" {
    urgent_resets 1 'program takes urgent inline' 'peer sends urgent'
}

@test "an urgent byte inline (SO_OOBINLINE): FIN when drained" {
    urgent_drained 'program takes urgent inline' 'peer sends urgent'
    tells discarded 1
}

@test "urgent data read to its end: FIN, and nothing to tell, in every mode" {
    never_changed 'peer sends 100' 'peer sends urgent' 'peer sends 50' 'program reads urgent' \
        'program reads 150' 'program closes' "$end"
    resets_nobody
    same 0 "$closes"
}
