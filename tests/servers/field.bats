#!/usr/bin/env bats
# Servers that nobody here wrote answer before they have read the request, and the client reads slowly
# and sends on late (scripts/servers). As is each of them resets, and most lose most of the answer; under
# linger every byte arrives and no reset is sent. The witnesses are what the client read, and the
# kernel's count in a network namespace of that run alone.

load ../support/helper
load field

# Those that no mode helps (limits in field_servers.bash) are no test: server_inetd.bats is about them.
setup_file()
{
    local names=() name
    for name in $(servers_shown); do
        names+=(--only "$name")
    done
    # What is wrong with a result is each test's to say.
    "$top/scripts/servers" --plain --mode 'as is' --mode linger -j 4 "${names[@]}" \
        >"$BATS_FILE_TMPDIR/results" 2>"$BATS_FILE_TMPDIR/errors" 3>&- || true
}

servers_shown()
{
    sed -n 's/^@test ".*" { gets_whole_answer_of \(.*\); }$/\1/p' "$BATS_TEST_FILENAME"
}

gets_whole_answer_of()
{
    local received written end resets
    result_of "$1" 'as is'
    ((resets > 0)) || fail "as is there is no reset: $received of $written bytes, $end"
    result_of "$1" linger
    same "$written of $written bytes, eof, 0 resets" "$received of $written bytes, $end, $resets resets"
}

@test "Python http.server, GET with a body" { gets_whole_answer_of http.server; }
@test "Node http, 413 and Connection: close" { gets_whole_answer_of node-413; }
@test "Node http, req.destroy() after the answer" { gets_whole_answer_of node-destroy; }
@test "Java com.sun.net.httpserver" { gets_whole_answer_of java; }
@test "Ruby WEBrick, 401" { gets_whole_answer_of webrick; }
@test "Ruby TCPServer" { gets_whole_answer_of ruby; }
@test "Perl IO::Socket::INET" { gets_whole_answer_of perl; }
@test "Perl, a child for each connection" { gets_whole_answer_of perl-fork; }
@test "Perl, a child that answers and exits" { gets_whole_answer_of exit; }
@test "uWSGI --http-socket" { gets_whole_answer_of uwsgi; }
@test "uWSGI --http, its router in front" { gets_whole_answer_of uwsgi-http; }
@test "Python http.server behind nginx" { gets_whole_answer_of nginx-python; }
@test "uWSGI behind nginx, uwsgi_pass" { gets_whole_answer_of nginx-uwsgi; }
@test "uWSGI behind nginx, proxy_pass" { gets_whole_answer_of nginx-proxy; }
@test "gunicorn, sync worker" { gets_whole_answer_of gunicorn; }
@test "redis over maxclients" { gets_whole_answer_of redis; }
@test "redis, QUIT of a client that was there at BGSAVE" { gets_whole_answer_of redis-save; }
@test "TLS 1.3 client that only sends: the server gets everything" { gets_whole_answer_of tls; }
@test "socat EXEC,nofork, SAFECLOSE_INHERITED=sole" { gets_whole_answer_of inetd-sole; }
@test "openbsd-inetd, SAFECLOSE_INHERITED=sole" { gets_whole_answer_of openbsd-sole; }
@test "a manager that holds its copy until the service ends, likewise" { gets_whole_answer_of accept-yes; }
@test "git daemon --inetd, a push that is refused, likewise" { gets_whole_answer_of git-inetd; }
@test "Node cluster, scheduling policy none" { gets_whole_answer_of cluster-none; }
