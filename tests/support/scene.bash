# shellcheck shell=bash
# Scenes (scene.c) and what the library told of them, for the bats files that play them. Load it
# behind helper.

# What the last scene showed: seen[KEY] by its witness; told[KEY] by the library's last close event,
# told[N.KEY] by its event number N (from 1, the first few), of which there are $closes, of $cookies
# sockets; ended[KEY] by the last of the $ends of lingering; summed[KEY] by the last of the $summaries.
declare -gA seen told ended summed
declare -g closes ends cookies summaries comparable own own_bare reader_of
log=$BATS_TEST_TMPDIR/log
stderr=$BATS_TEST_TMPDIR/stderr
# The last step of most scenes.
end='peer reads to the end'
# Who plays them.
player=scene

# read_log FILE: fills them.
read_log()
{
    untraced_by_bats read_tables "$1"
}

# One reader serves all scenes of a test: to start it takes longer than to play a scene. A subshell has one of its own.
read_tables()
{
    local answer
    told=() ended=() summed=() closes=0 ends=0 cookies=0 summaries=0
    [[ -e $1 ]] || return 0
    if [[ ${reader_of-} != "$BASHPID" ]]; then
        coproc reader { exec python3 -ISu "$BATS_TEST_DIRNAME/../support/scene_events.py" 3>&-; }
        reader_of=$BASHPID
    fi
    printf '%s\t%s\n' "$1" "$log.tables" >&"${reader[1]}"
    IFS= read -r answer <&"${reader[0]}" || answer='no answer'
    [[ $answer == read ]] || fail "$answer" "log: $(<"$1")"
    # shellcheck disable=SC1090
    source "$log.tables"
}

# scene MODE [OPTION...] STEP...: plays it, without asking for the kernel's reasons where $untraced is
# set. MODE is one of the library's, or "none" for no library at all. The library logs to a file of
# JSON; settings stand before: SAFECLOSE_EVENTS=all scene log ...
scene()
{
    play "$@"
    read_log "$log"
}

# The same, without a look at the log. What its witness saw is in seen[], in $comparable what can be compared between
# two runs, and in $own what the program itself saw.
play()
{
    local mode=$1 library=$LIBSAFECLOSE
    shift
    [[ ! -e $log ]] || rm -f "$log"
    [[ $mode != none ]] || library=''
    # bats talks through number 3; a program that is left behind would keep bats waiting.
    # No peer of a scene ends its side unless told to, and no exit shall wait for that.
    LIBSAFECLOSE=$library SAFECLOSE_MODE=$mode SAFECLOSE_LOG=${SAFECLOSE_LOG-$log} \
        SAFECLOSE_EXIT_WAIT=${SAFECLOSE_EXIT_WAIT-0} \
        timeout 200 "$programs/$player" ${untraced:+--untraced} ${by_number:+--syscall} "$@" \
        >"$log.seen" 2>"$stderr" 3>&- ||
        fail "mode $mode, $player: ${by_number-} $*" "$(cat "$log.seen" "$stderr")"
    untraced_by_bats read_seen
}

read_seen()
{
    local line
    seen=() comparable='' own=''
    while IFS= read -r line; do
        if [[ $line == '~'* ]]; then
            line=${line#\~}
        else
            comparable+=$line$'\n'
            [[ $line == peer* || $line == resets=* || $line == on_* ]] || own+=$line$'\n'
        fi
        seen[${line%%=*}]=${line#*=}
    done <"$log.seen"
}

# same_as_bare MODE... -- [OPTION...] STEP...: plays the scene without the library, then in each mode,
# and fails where anything is seen that was not seen then. In mode off nothing may be told, and only in
# mode warn is something written to stderr.
same_as_bare()
{
    local modes=() mode asked=${untraced-} untraced=yes bare
    while [[ $1 != -- ]]; do
        modes+=("$1")
        shift
    done
    shift
    play none "$@"
    bare=$comparable own_bare=$own
    for mode in "${modes[@]}"; do
        # Tracing takes longer than all the rest, and one of several equals is enough.
        [[ $mode != "${modes[-1]}" ]] || untraced=$asked
        play "$mode" "$@"
        [[ $comparable == "$bare" ]] ||
            fail "mode $mode is not as bare (<), scene: $*" "$(diff <(echo "$bare") <(echo "$comparable"))"
        [[ $mode != off || ! -e $log ]] || fail "mode off told: $(<"$log")"
        [[ $mode == warn || ! -s $stderr ]] || fail "mode $mode wrote: $(<"$stderr")"
    done
    read_log "$log"
}

# unchanged [OPTION...] STEP...: the modes that promise to change nothing. What log saw and told last
# is there to look at.
unchanged()
{
    same_as_bare off warn log -- "$@"
}

# never_changed [OPTION...] STEP...: not in any mode.
never_changed()
{
    same_as_bare off warn drain linger log -- "$@"
}

# expect WHO KEY VALUE...: compares a table with what is expected. Numbers of an unknown key fail too.
expect()
{
    untraced_by_bats compare_table "$@"
}

compare_table()
{
    local -n table=$1
    local who=$1
    shift
    while (($# > 0)); do
        [[ ${table[$1]-(nothing)} == "$2" ]] ||
            fail "${who}[$1]: expected \"$2\", not \"${table[$1]-(nothing)}\"" \
                "seen: $(<"$log.seen")" "told: $(tail -n 5 "$log" 2>&1)"
        shift 2
    done
}

saw() { expect seen "$@"; }
tells() { expect told "$@"; }
tells_end() { expect ended "$@"; }
sums() { expect summed "$@"; }

# tells_who: there is one close event, and all that identifies its connection, its process and its
# moment is what the witness knows them to be.
tells_who()
{
    same 1 "$closes"
    tells v 1 pid "${seen[pid]}" tid "${seen[tid]}" comm scene via close fd "${seen[fd]}" \
        proto tcp local "${seen[ours]}" peer "${seen[peer]}" cookie "${seen[cookie]}" \
        netns "${seen[netns]}" preview '' truncated false
    ((told[mono_ns] > seen[begin_mono] && told[mono_ns] < seen[end_mono])) ||
        fail "mono_ns ${told[mono_ns]} is not within the scene"
    ((told[time_us] >= seen[begin_real] && told[time_us] <= seen[end_real])) ||
        fail "time ${told[time]} is not within the scene"
}

# resets_for REASON COUNTER [SENT]: one close reset, for this reason of the kernel's, which it counted
# as this one of its counters ("" for none), and the peer saw it. SENT is how many RST that took (1).
resets_for()
{
    local -A times=([on_close]=0 [on_data]=0 [on_linger]=0)
    [[ ! $2 ]] || times[$2]=1
    saw resets "${3-1}" peer_end ECONNRESET
    saw on_close "${times[on_close]}" on_data "${times[on_data]}" on_linger "${times[on_linger]}"
    ! traced || saw reason "$1"
}

# resets_nobody: no reset was sent or counted, and the peer read to a regular end.
resets_nobody()
{
    saw resets 0 on_close 0 on_data 0 on_linger 0 peer_end EOF peer_pending 0
    ! traced || saw reason ''
}

# was_drained: it ended in order, and is told so.
was_drained()
{
    resets_nobody
    tells_who
    tells cause unread-data outcome fin action drained
}

# Whether the kernel's own reasons are known: as root, and on kernels that give them.
traced()
{
    [[ -z ${seen[trace]-} ]]
}

# leaves_alone [OPTION...] STEP...: all is as bare in every mode. In log, drain and linger the first close
# of unread data is one of which the event says, as the kernel does, that nothing was sent, and why.
leaves_alone()
{
    never_changed "$@"
    says_left_alone none
    scene drain "$@"
    says_left_alone passed
    scene linger "$@"
    says_left_alone passed
}

says_left_alone()
{
    tells 1.cause unread-data 1.action "$1" 1.discarded 0 1.fd "${seen[fd]}" 1.cookie "${seen[cookie]}" \
        1.outcome none 1.confirmed true
    # With nothing to be done it is not asked who it is, only whether there is somebody.
    case $1 in
    none) matches '^(shared|in-use|held)$' "${told[1.note]}" ;;
    *) matches '^(shared|in-use|owner-unknown)$' "${told[1.note]}" ;;
    esac
}
