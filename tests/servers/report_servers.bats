#!/usr/bin/env bats
# A report on the logs of six stock servers under load, with threads, forks and workers, on two hosts. The kernel
# counts the resets, and jq adds up the logs.

load ../support/helper

safeclose=$top/safeclose

# on HOST PORT COMMAND...: begins a server with a log of its own. The name of the host is that of a UTS namespace.
on()
{
    local host=$1 port=$2
    shift 2
    # shellcheck disable=SC2016 # for the inner shell
    unshare --uts sh -c 'hostname "$0"; exec "$@"' "$host" \
        env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log SAFECLOSE_LOG="$BATS_FILE_TMPDIR/%h.%p.json" \
        "$@" </dev/null >>"$BATS_FILE_TMPDIR/output" 2>&1 3>&- &
    started+=("$!")
    ports+=("$port")
}

# all_told: whether the logs have all resets. The line of a close is written after it; that of a connection which a
# relative still held, at a later close of its process: perl's next client brings one.
all_told()
{
    "$programs/crowd" -n 1 127.0.0.1 8002 >/dev/null
    (($(cat "$BATS_FILE_TMPDIR"/*.json | grep -c '"cause":"unread-data".*"outcome":"rst"') >= $(<"$BATS_FILE_TMPDIR/resets")))
}

setup_file()
{
    local started=() ports=() here=$BATS_TEST_DIRNAME port before clients=() client
    cd "$BATS_FILE_TMPDIR" || return
    on alpha 8001 /usr/bin/python3 -m http.server --bind 127.0.0.1 8001
    on alpha 8002 perl "$here/field_perl.pl" fork 8002
    on alpha 8003 ruby "$here/field_ruby.rb" socket 8003
    on beta 8004 gunicorn --worker-class gthread --workers 2 --threads 4 --bind 127.0.0.1:8004 --chdir "$here" \
        --worker-tmp-dir "$BATS_FILE_TMPDIR" field_wsgi:application
    on beta 8005 uwsgi --plugins python3 --http-socket 127.0.0.1:8005 --wsgi-file "$here/field_wsgi.py" --master \
        --processes 2 --need-app --die-on-term
    on beta 8006 node "$here/field_node.js" destroy 8006
    for port in "${ports[@]}"; do
        wait_until listens "$port"
    done
    before=$(counter TCPAbortOnClose)
    for port in "${ports[@]}"; do
        "$programs/crowd" -n 40 -c 8 -b 300000 127.0.0.1 "$port" >>"$BATS_FILE_TMPDIR/crowd" 3>&- &
        clients+=("$!")
    done
    for client in "${clients[@]}"; do
        wait "$client"
    done
    echo $(($(counter TCPAbortOnClose) - before)) >"$BATS_FILE_TMPDIR/resets"
    wait_until all_told
    end_started
}

setup()
{
    cd "$BATS_FILE_TMPDIR" || return
}

@test "the resets of six servers under load are as many as the kernel counted" {
    resets=$(<resets)
    ((resets >= 100)) || fail "too few to say anything: $resets"
    "$safeclose" report --json --top 0 ./*.json >sums
    same "$resets" "$(jq '.totals.resets' sums)"
    same "$resets" "$(jq '[.groups[].resets] | add' sums)"
    same "$(cat ./*.json | jq -s 'map(select(.outcome == "rst") | .unacked) | add')" "$(jq .totals.lost_at_most sums)"
}

@test "hosts, ports, processes and peers are those of the logs" {
    closes='map(select(.event == "close" and .cause != "none"))'
    same '["alpha","beta"]' "$("$safeclose" report --by host --json ./*.json | jq -c '[.groups[].name] | sort')"
    for host in alpha beta; do
        same "$(cat "$host".*.json | jq -s "$closes | length")" \
            "$("$safeclose" report --by host --json ./*.json | jq ".groups[] | select(.name == \"$host\") | .closes")"
    done
    same "$(cat ./*.json | jq -cs "$closes | group_by(.local) | map({key: .[0].local[-4:], value: length}) | from_entries")" \
        "$("$safeclose" report --by port --json ./*.json | jq -c '[.groups[] | {key: .name, value: .closes}] | sort | from_entries')"
    same "$(cat ./*.json | jq -cs "$closes | map(.pid) | unique | length")" \
        "$("$safeclose" report --by process --top 0 --json ./*.json | jq .group_count)"
    same '["127.0.0.1"]' "$("$safeclose" report --by peer --cause unread-data --json ./*.json | jq -c '[.groups[].name]')"
}

@test "the page and the text of these logs name the servers" {
    "$safeclose" report --html page.html ./*.json
    run -0 "$safeclose" report --top 0 ./*.json
    for name in python3 perl ruby gunicorn uwsgi node; do
        matches "in $name" "$output"
        grep -q "$name" page.html
    done
    matches 'hosts: +(alpha|beta)' "$output"
    same '' "$(awk 'length > 80' <<<"$output")"
}
