# shellcheck shell=bash
# What the doors_*.bats files share. The doors (door_*.c) are played, told and compared as scenes are,
# by the same words; only who plays them differs. Load it behind helper.

load ../support/scene

# What is asked of libc's names is asked of syscall(2) too (door_calls.h):
#     for by_number in "${both[@]}"; do is_a_door "$(named close)" close; done
both=('' --syscall)
by_number=''

# named NAME: the word of the log for this call.
named()
{
    if [[ $by_number ]]; then echo syscall; else echo "$1"; fi
}

# one_event KEY VALUE...: there is one close event, of the door's connection, and it says this.
one_event()
{
    same 1 "$closes"
    tells pid "${seen[pid]}" fd "${seen[fd]}" local "${seen[ours]}" peer "${seen[peer]}" "$@"
    same 1 "$summaries"
}

# In a program with threads the lot drains and half-closes, when no thread is in a call on the connection, so
# nothing is sent at the close itself; a test whose player has some says threads=yes.
threads=''
# The kernel is asked what came of a close, but for an exit, after which nobody is there to ask.
confirmed=true

# is_a_door VIA [OPTION...] ACT: giving a connection up in this way resets as bare in off, warn and log,
# which is one event by this door; in drain it does not, and all else is as bare.
is_a_door()
{
    local via=$1
    shift
    unchanged "$@"
    resets_for TCP_ABORT_ON_CLOSE on_close
    one_event via "$via" cause unread-data unread 1024 action none outcome rst confirmed "$confirmed" note ''
    sums outcomes.rst 1
    drained drain "$via" "$@"
    if [[ " $* " == *' --connects '* ]]; then # all acknowledged: then what the program opened does not linger
        drained linger "$via" "$@"
    else
        lingers "$via" "$@"
    fi
}

# is_a_door_after_a_loss VIA [OPTION...] ACT: likewise, but the program has closed the way to the thread that
# lingers, which may not have ended yet; until it has there is no other, and the close is drained.
is_a_door_after_a_loss()
{
    unchanged "${@:2}"
    resets_for TCP_ABORT_ON_CLOSE on_close
    drained drain "$@"
    scene linger "${@:2}"
    same "$own_bare" "$own"
    resets_nobody
    matches '^(drained no-lot|lingering )$' "${told[action]} ${told[note]}"
}

# drained MODE VIA [OPTION...] ACT, behind `unchanged` of the same: in this mode there is no reset, and the
# program sees what it saw bare.
drained()
{
    local mode=$1 via=$2
    shift 2
    scene "$mode" "$@"
    same "$own_bare" "$own"
    resets_nobody
    says_drained via "$via" cause unread-data unread 1024
    [[ ! -s $stderr ]] || fail "it wrote: $(<"$stderr")"
}

# says_drained KEY VALUE...: of the one close, and all of its 1024 bytes.
says_drained()
{
    if [[ $threads ]]; then
        one_event "$@" outcome none confirmed true action draining discarded 0 note ''
        same 1 "$ends"
        tells_end via "${told[via]}" fd "${seen[fd]}" cookie "${told[cookie]}" action draining ended_by drained \
            discarded 1024 outcome fin
    else
        one_event "$@" outcome fin confirmed "$confirmed" action drained discarded 1024 note ''
    fi
}

# lingers VIA [OPTION...] ACT, likewise: the same in linger, and what is told of its end is of this close.
lingers()
{
    local via=$1
    shift
    scene linger "$@"
    same "$own_bare" "$own"
    resets_nobody
    one_event via "$via" cause unread-data outcome "$([[ $threads ]] && echo none || echo fin)" confirmed true \
        unread 1024 action lingering discarded 0 note ''
    same 1 "$ends"
    tells_end via "$via" fd "${seen[fd]}" cookie "${told[cookie]}" discarded 1024 outcome fin
    [[ ! -s $stderr ]] || fail "it wrote: $(<"$stderr")"
}

# is_no_door [OPTION...] ACT: as bare in every mode, and nothing is told of any close.
is_no_door()
{
    never_changed "$@"
    same 0 "$closes"
}
