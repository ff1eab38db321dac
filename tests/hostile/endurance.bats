#!/usr/bin/env bats
# Some ten thousand connections through one server: nothing grows, and no event is lost without being counted.
# endurance.py has the verdict; scripts/endurance plays a million.

load ../support/helper

endures()
{
    timeout 100 /usr/bin/python3 "$BATS_TEST_DIRNAME/endurance.py" "$@"
}

@test "linger: no memory or descriptor more, every answer whole, every end told or counted" {
    endures linger 15000
}

@test "log: no memory or descriptor more, every reset told or counted" {
    endures log 6000
}
