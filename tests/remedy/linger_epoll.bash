# shellcheck shell=bash
# How linger_epoll is run, and what it must show. Load it behind helper.
# shellcheck disable=SC2154 # $programs is the helper's

setup()
{
    log=$BATS_TEST_TMPDIR/log
}

# serves MODE WAY CONNECTIONS: runs the server in MODE, "none" being without the library. What it
# counted is in $output; what is the same without the library, in its first line.
serves()
{
    local mode=$1
    shift
    rm -f "$log"
    if [[ $mode == none ]]; then
        run -0 "$programs/linger_epoll" "$@"
    else
        SAFECLOSE_LOG=$log SAFECLOSE_LINGER_IDLE=1h SAFECLOSE_LINGER_TIME=1h SAFECLOSE_EXIT_WAIT=1h \
            run -0 preloaded "$mode" "$programs/linger_epoll" "$@"
    fi
    same "closed=$2 stale=0 answered=$2" "${lines[0]}"
}

# Every connection is parked, however long a busy machine lets its client wait: what is sent late resets none, and would reset each.
lingers()
{
    serves none "$1" 500
    same reset=500 "${lines[1]}"
    serves linger "$@"
    same reset=0 "${lines[1]}"
    json "$log" "
assert sum(s['actions']['lingering'] for s in summaries) == $2, summaries
assert sum(s['linger_ends']['peer-fin'] for s in summaries) == $2, summaries"
}

# A registration can't be undone: every connection is drained, and the log says why. (Other numbers and processes
# of it close it too, and before.)
is_drained()
{
    serves none "$1" 500
    serves linger "$@"
    json "$log" "
last = [e for e in closes if e['note'] != 'shared']
assert last and all((e['action'], e['note']) == ('drained', 'epoll') for e in last), last[-1:]
actions = [s['actions'] for s in summaries]
assert sum(a['lingering'] for a in actions) == 0 and sum(a['drained'] for a in actions) == $2, actions"
}

# gets_stale_events WAY: the program does, and notices nothing else.
gets_stale_events()
{
    SAFECLOSE_LOG=none SAFECLOSE_LINGER_IDLE=1h SAFECLOSE_LINGER_TIME=1h SAFECLOSE_EXIT_WAIT=1h \
        run -0 preloaded linger "$programs/linger_epoll" "$1" 200
    matches '^closed=200 stale=[1-9][0-9]* answered=200' "$output"
}
