#!/usr/bin/env bats
# safeclose watch beside many resets: what it had no room for it says, and what it looked at by samples counts right. The
# witness is the kernel's own count of resets in this network namespace.

# Runs alone: beside it others would be looked at by samples only.

load ../support/helper
load watch

# The first that we may use: the rings of one fill.
cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')

# many COUNT PER_SECOND [SIGNAL...]: plays watch_many under watch, in text; watch gets the signals before and after. What the
# kernel counted is in $sent; of the summary, in $rows all of its rows together, in $row that of watch_many, in $all and $lost
# how many resets the kernel counted on the machine, and how many of them were lost.
many()
{
    all=0 lost=0
    begin taskset -c "$cpu" "$programs/watch_many" "$1" "$2"
    hear
    port=$heard
    watching
    [[ ! ${3-} ]] || kill "-$3" "$watch"
    go_on
    finish
    same 0 "$status"
    sent=${output#sent }
    [[ ! ${4-} ]] || kill "-$4" "$watch"
    seen
    rows=$(awk '/^ +[0-9]+  (sent|others)/ { n += $1 } END { print n + 0 }' "$events")
    row=$(awk -v port="$port" '$2 == "sent" && $5 == port { n += $1 } END { print n + 0 }' "$events")
    said=$(grep 'resets sent' "$events")
    [[ $said =~ ^([0-9]+)\ resets\ sent ]] && all=${BASH_REMATCH[1]}
    [[ ! $said =~ lost,\ and\ with\ them\ ([0-9]+)\ resets$ ]] || lost=${BASH_REMATCH[1]}
}

# near A B: they differ by a tenth at most.
near()
{
    ((10 * $1 <= 11 * $2 && 10 * $2 <= 11 * $1)) || fail "not near: $1 and $2" "$said"
}

@test "while it can't read: what is told and what is told as lost are all that there were" {
    # A ring holds at most 8 MB, and each of these takes 4 kB; not so many a second that watch takes samples.
    many 2500 1500 STOP CONT
    same 2500 "$sent"
    ((lost > 0 && row < sent && row + lost >= sent)) || fail "$said" "$row"
    # Beside other work that closes connections by the thousand there may be samples.
    if grep -q 'one in several' "$events"; then
        near "$all" $((rows + lost))
    else
        ((all == rows + lost)) || fail "$said" "told: $rows" "$(<"$events.said")"
    fi
}

@test "more than it looks at: one in several is, this is said, and the count is near" {
    many 20000 0
    grep -q 'one in several was, and is counted as several' "$events"
    same 20000 "$sent"
    near "$sent" $((row + lost))
}

@test "while it can't read: what processes did is told as lost, too" {
    watching --ports 1
    kill -STOP "$watch"
    # A record has the path of what was mapped: 3 kB here.
    taskset -c "$cpu" python3 -c 'import mmap, os
for i in range(12):
    os.mkdir(250 * "d")
    os.chdir(250 * "d")
file = os.open("code", os.O_RDWR | os.O_CREAT)
os.write(file, bytes(4096))
for i in range(5000):
    mmap.mmap(file, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()'
    kill -CONT "$watch"
    seen
    matches '; [1-9][0-9]* events? lost' "$(grep 'resets sent' "$events")"
}
