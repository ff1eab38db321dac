# shellcheck shell=bash
# The servers of scripts/servers, all of them as their packages bring them. A function field_NAME
# begins its server by `serve COMMAND...`, on 127.0.0.1:$port, and says what is special about it:
#   request   the head of the client's request, where it is not field_client's own
#   client    further options of the slow client; polite: of the one that shows how it should be
#   settings  further settings of the library
# A function settle_NAME waits, between the two clients, until the server can hear the second one.
# In $work there are: answer, a file of 2,000,000 bytes; FieldJava.class; certificate.pem. $scratch is the
# run's own.

# name | what is shown
fields='
http.server   | Python http.server, GET with a body
node-413      | Node http, 413 and Connection: close
node-destroy  | Node http, req.destroy() after the answer
node-24       | Node 24 http, 413 and Connection: close
java          | Java com.sun.net.httpserver
webrick       | Ruby WEBrick, 401
ruby          | Ruby TCPServer
perl          | Perl IO::Socket::INET
perl-fork     | Perl, a child for each connection
uwsgi         | uWSGI --http-socket, one worker
uwsgi-http    | uWSGI --http, its router in front
nginx-python  | Python http.server behind nginx, 501
nginx-uwsgi   | uWSGI behind nginx, uwsgi_pass
nginx-proxy   | uWSGI behind nginx, proxy_pass
gunicorn      | gunicorn, sync worker
redis         | redis over maxclients
redis-save    | redis, QUIT of a client that was there at BGSAVE
exit          | Perl, a child that answers and exits
tls           | TLS 1.3 client that only sends
socat         | socat EXEC, its program exits
inetd         | socat EXEC,nofork, likewise
inetd-sole    | socat EXEC,nofork, SAFECLOSE_INHERITED=sole
openbsd-inetd | openbsd-inetd, preloaded
openbsd-sole  | openbsd-inetd, its service preloaded with SAFECLOSE_INHERITED=sole
xinetd        | xinetd, preloaded
xinetd-sole   | xinetd, its service preloaded with SAFECLOSE_INHERITED=sole
activate-sole | systemd-socket-activate --accept --inetd, likewise
accept-yes    | a manager that holds its copy until the service ends, likewise
git-daemon    | git daemon, a push that is refused
git-inetd     | git daemon --inetd, likewise, nothing late, SAFECLOSE_INHERITED=sole
sshd          | sshd, a client that speaks no SSH
sshd-inetd    | sshd -i, likewise, nothing late, SAFECLOSE_INHERITED=sole
cluster       | Node cluster, 413
cluster-none  | Node cluster, 413, NODE_CLUSTER_SCHED_POLICY=none
memcached     | memcached -u nobody, 100 clients
mariadbd      | mariadbd --user=nobody, 100 clients
tinyproxy     | tinyproxy, User nobody, 100 clients
haproxy       | haproxy, user nobody, no processes allowed, 100 clients
'

# Those that a hundred clients ask, as each close is settled by itself.
hundreds='memcached mariadbd tinyproxy haproxy'

# Here the program is a client, and its resets come from a client's port.
clients=tls

# What no mode prevents: the cells are there, the reason is below the table, and it is not judged.
declare -A limits=(
    [socat]="socat shuts the connection down for reading, after which late data resets"
    [inetd]="kept open over an exec, so who else holds it is unknown, and it is left alone"
    [openbsd-inetd]="passes no environment on, so the library isn't loaded in the service"
    [xinetd]="passes its environment on, so the library is loaded in the service; but the connection is kept open \
over an exec, so who else holds it is unknown, and it is left alone"
    [git-daemon]="starts a program for each connection, so who else holds it is unknown, and it is left alone"
    [sshd]="executes itself again for each connection, so who else holds it is unknown, and it is left alone"
    [cluster]="the primary passes connections to its workers over a UNIX socket, so who else holds one is unknown, \
and it is left alone"
)

field_http.server()
{
    request='GET /answer HTTP/1.1\r\nHost: field\r\nConnection: close\r\nContent-Length: %b\r\n\r\n'
    serve env -C "$work" /usr/bin/python3 -I -m http.server --bind 127.0.0.1 "$port"
}

field_node-413()
{
    serve node "$top/tests/servers/field_node.js" 413 "$port"
}

# Its event loop registers connections by a ring of io_uring. scripts/deps puts it there.
node24=${BUILD:-$top/build}/node24/node

field_node-24()
{
    serve "$node24" "$top/tests/servers/field_node.js" 413 "$port"
}

field_node-destroy()
{
    serve node "$top/tests/servers/field_node.js" destroy "$port"
}

field_java()
{
    serve java -Xshare:auto -cp "$work" FieldJava "$port"
}

field_webrick()
{
    serve ruby "$top/tests/servers/field_ruby.rb" webrick "$port"
}

field_ruby()
{
    serve ruby "$top/tests/servers/field_ruby.rb" socket "$port"
}

field_perl()
{
    serve perl "$top/tests/servers/field_perl.pl" one "$port"
}

field_exit()
{
    settings=(SAFECLOSE_EXIT_WAIT=10s)
    serve perl "$top/tests/servers/field_perl.pl" exit "$port"
}

field_perl-fork()
{
    serve perl "$top/tests/servers/field_perl.pl" fork "$port"
}

# serve_uwsgi OPTION ADDRESS: how it is to listen. It would drop root's rights, if asked to.
serve_uwsgi()
{
    serve uwsgi --plugins python3,http "$1" "$2" --wsgi-file "$top/tests/servers/field_wsgi.py" --master \
        --need-app --die-on-term
}

field_uwsgi()
{
    serve_uwsgi --http-socket "127.0.0.1:$port"
}

field_uwsgi-http()
{
    serve_uwsgi --http "127.0.0.1:$port"
}

# in_front DIRECTIVE...: nginx, which is not preloaded, passes everything to port 8001. It reads a
# request to its end before it passes it on, so the late part must not wait for the answer, and the body is
# more than the kernel takes from it at once: what comes late to the server is what nginx still has.
in_front()
{
    local kept=$port
    cat >"$scratch/nginx.conf" <<EOT
daemon off;
master_process off;
pid $scratch/nginx.pid;
error_log $scratch/nginx.log;
events {}
http {
    access_log off;
    client_body_temp_path $scratch/nginx.body;
    proxy_temp_path $scratch/nginx.proxy;
    uwsgi_temp_path $scratch/nginx.uwsgi;
    fastcgi_temp_path $scratch/nginx.fastcgi;
    scgi_temp_path $scratch/nginx.scgi;
    client_max_body_size 0;
    server {
        listen 127.0.0.1:$kept;
        location / {
            $*
        }
    }
}
EOT
    client=(-L 50 -b 8000000 -e 7900000)
    alone nginx -c "$scratch/nginx.conf"
}

field_nginx-python()
{
    port=8001 serve env -C "$work" /usr/bin/python3 -I -m http.server --bind 127.0.0.1 8001
    in_front 'proxy_pass http://127.0.0.1:8001;'
}

field_nginx-uwsgi()
{
    port=8001 serve_uwsgi --socket 127.0.0.1:8001
    in_front 'include /etc/nginx/uwsgi_params; uwsgi_pass 127.0.0.1:8001;'
}

field_nginx-proxy()
{
    port=8001 serve_uwsgi --http-socket 127.0.0.1:8001
    in_front 'proxy_pass http://127.0.0.1:8001;'
}

field_gunicorn()
{
    serve gunicorn --workers 1 --bind "127.0.0.1:$port" --chdir "$top/tests/servers" \
        --worker-tmp-dir "$scratch" field_wsgi:application
}

# The one client that is allowed stays until the end of the shell that runs this. PONG: it is in.
field_redis()
{
    local answer
    request='PING\r\n'
    polite=(-s '')
    serve redis-server --port "$port" --bind 127.0.0.1 --maxclients 1 --save '' --dir "$scratch"
    exec {first_client}<>"/dev/tcp/127.0.0.1/$port"
    printf 'PING\r\n' >&"$first_client"
    read -r answer <&"$first_client"
    [[ $answer == +PONG* ]] || fail "be the client that redis serves: $answer"
}

# A child inherits the connection, and ends when it has saved. What follows QUIT is never read.
field_redis-save()
{
    local answer cache
    request='BGSAVE\r\nGET value\r\nQUIT\r\n'
    serve redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$scratch"
    exec {cache}<>"/dev/tcp/127.0.0.1/$port"
    # shellcheck disable=SC2016 # a length, in redis' protocol
    { printf '*3\r\n$3\r\nSET\r\n$5\r\nvalue\r\n$2000000\r\n' && cat "$work/answer" && printf '\r\n'; } >&"$cache"
    read -r answer <&"$cache"
    exec {cache}>&-
    [[ $answer == +OK* ]] || fail "have redis keep a value: $answer"
}

# It saves for one client at a time.
settle_redis-save()
{
    while (($(pgrep -c -s "${sessions[-1]}") > 1)); do
        sleep 0.02
    done
}

# The service reads one line alone.
one_line()
{
    polite=(-s 'One line, and no more.\n')
    settings=(SAFECLOSE_EXIT_WAIT=10s "$@")
}

# run_socat HOW PROGRAM[,OPTION]: a program that socat starts for each connection. HOW is serve or alone.
run_socat()
{
    "$1" socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" "EXEC:$2"
}

# socat keeps the connection in a child of its own, and passes the bytes on. That the program has ended
# it sees when it can pass on no more of them.
field_socat()
{
    one_line
    run_socat serve "$top/tests/servers/field_inetd.sh"
}

# The program has the connection itself, as its numbers 0 and 1.
field_inetd()
{
    one_line
    run_socat serve "$top/tests/servers/field_inetd.sh,nofork"
}

# It executes nothing: what a service executes does not get the word.
service=$top/tests/servers/field_inetd.pl

# preloaded_service COMMAND...: fills words=() with an inetd's words for a service, which is preloaded while its
# inetd is not.
preloaded_service()
{
    local environment
    settings+=(SAFECLOSE_INHERITED=sole)
    under "$mode"
    words=(/usr/bin/env env "${environment[@]}" "$@")
}

# openbsd_inetd PROGRAM WORD...: as its line has them.
openbsd_inetd()
{
    printf '%s stream tcp nowait root %s\n' "127.0.0.1:$port" "$*" >"$scratch/inetd.conf"
    "$how" "${inside[@]}" inetd -i "$scratch/inetd.conf"
}

field_inetd-sole()
{
    local words
    one_line
    preloaded_service "$service"
    { printf '#!/bin/sh\nexec' && printf ' %q' "${words[@]}"; } >"$scratch/service"
    chmod +x "$scratch/service"
    run_socat alone "$scratch/service,nofork"
}

field_openbsd-inetd()
{
    local how=serve inside=()
    one_line
    openbsd_inetd "$service" "$service"
}

field_openbsd-sole()
{
    local how=alone inside=() words
    one_line
    preloaded_service "$service"
    openbsd_inetd "${words[@]}"
}

# scripts/deps unpacks it, as it can't be installed beside openbsd-inetd.
xinetd=${BUILD:-$top/build}/xinetd/usr/sbin/xinetd

# run_xinetd HOW LINE: HOW is serve or alone; LINE is one more of the service.
run_xinetd()
{
    cat >"$scratch/xinetd.conf" <<EOT
service field
{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    wait = no
    user = root
    bind = 127.0.0.1
    port = $port
    server = $service
    $2
}
EOT
    "$1" "$xinetd" -dontfork -f "$scratch/xinetd.conf" -filelog "$scratch/xinetd.log" -pidfile "$scratch/xinetd.pid"
}

field_xinetd()
{
    one_line
    run_xinetd serve ''
}

field_xinetd-sole()
{
    local environment
    one_line SAFECLOSE_INHERITED=sole
    under "$mode"
    run_xinetd alone "env = ${environment[*]}"
}

# Without systemd. It closes its own copy at once.
field_activate-sole()
{
    local words
    one_line
    preloaded_service "$service"
    alone systemd-socket-activate --accept --inetd -l "127.0.0.1:$port" "${words[0]}" "${words[@]:2}"
}

field_accept-yes()
{
    local words
    one_line
    preloaded_service "$service"
    alone perl "$top/tests/servers/field_manager.pl" "$port" "${words[0]}" "${words[@]:2}"
}

# A packet that says which repository a push is for; nobody may push there. (git itself waits for the answer before
# it sends more, and is not reset.)
refused_push()
{
    request='001fgit-receive-pack /field.git'
    git init -q --bare "$scratch/repositories/field.git"
    daemon=("$(git --exec-path)/git-daemon" --base-path="$scratch/repositories" --export-all)
}

field_git-daemon()
{
    local daemon
    refused_push
    serve "${daemon[@]}" --listen=127.0.0.1 --port="$port" --reuseaddr
}

# A process that exits waits until its answer has arrived, and a short one has at once.
nothing_late()
{
    client=(-b 30000 -e 30000)
}

field_git-inetd()
{
    local daemon how=alone inside=() words
    refused_push
    nothing_late
    preloaded_service "${daemon[@]}" --inetd
    openbsd_inetd "${words[@]}"
}

# without_login: fills sshd=() with one that nobody can log in to, and inside=() with what gives it its directory.
without_login()
{
    as_root
    polite=(-s 'This is not SSH.\n')
    ssh-keygen -q -t ed25519 -N '' -f "$scratch/key" <<<y >/dev/null
    # shellcheck disable=SC2016 # for that shell
    inside=(unshare -m sh -c 'mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"' -)
    sshd=(/usr/sbin/sshd -f none -o "HostKey=$scratch/key" -o UsePAM=no -o PidFile=none)
}

field_sshd()
{
    local sshd inside
    without_login
    serve "${inside[@]}" "${sshd[@]}" -D -e -p "$port" -o ListenAddress=127.0.0.1
}

field_sshd-inetd()
{
    local sshd inside how=alone words
    without_login
    nothing_late
    preloaded_service "${sshd[@]}" -i
    openbsd_inetd "${words[@]}"
}

field_cluster()
{
    serve node "$top/tests/servers/field_node.js" cluster "$port"
}

field_cluster-none()
{
    serve env NODE_CLUSTER_SCHED_POLICY=none node "$top/tests/servers/field_node.js" cluster "$port"
}

# The program under test is the client, and its peer says what came.
measure_tls()
{
    local environment
    settings=(SAFECLOSE_EXIT_WAIT=10s)
    alone /usr/bin/python3 -I "$top/tests/servers/field_tls.py" server "$port" "$work/certificate.pem"
    under "$mode"
    env "${environment[@]}" /usr/bin/python3 -I "$top/tests/servers/field_tls.py" client "$port"
    wait "${sessions[0]}" || fail "hear the server out: $(<"$scratch/output")"
    written=300000 status=''
    read -r received end < <(grep ^received= "$scratch/output")
    received=${received#*=} end=${end#*=}
}

# ---- Servers with threads, started as root, that drop their rights themselves -----------------

as_root()
{
    awk '$3 < 65536 { exit 1 }' /proc/self/uid_map || fail "start $name: it is to drop its rights, and needs root"
}

# Two values of 1,000,000 bytes each, then "quit". What follows it is never read.
field_memcached()
{
    local answer cache
    as_root
    request='get value\r\nget value\r\nquit\r\n'
    serve memcached -u nobody -l 127.0.0.1 -p "$port" -t 4
    exec {cache}<>"/dev/tcp/127.0.0.1/$port"
    { printf 'set value 0 0 1000000\r\n' && head -c 1000000 "$work/answer" && printf '\r\n'; } >&"$cache"
    read -r answer <&"$cache"
    exec {cache}>&-
    [[ $answer == STORED* ]] || fail "have memcached keep a value: $answer"
}

# The client's first packet, of 10 bytes, is no login. The rest is never read.
field_mariadbd()
{
    as_root
    request='\012\000\000\001no login!!'
    mkdir -p "$scratch/data"
    chown nobody "$scratch/data"
    serve mariadbd --no-defaults --user=nobody --datadir="$scratch/data" --bind-address=127.0.0.1 --port="$port" \
        --socket="$scratch/data/socket" --pid-file="$scratch/data/pid" --skip-grant-tables --skip-innodb \
        --default-storage-engine=MyISAM
}

# A POST by a client that may not use the proxy.
field_tinyproxy()
{
    as_root
    request='POST http://field/ HTTP/1.1\r\nHost: field\r\nContent-Length: %b\r\n\r\n'
    printf 'User nobody\nListen 127.0.0.1\nPort %s\nAllow 127.0.0.2\n' "$port" >"$scratch/tinyproxy.conf"
    serve tinyproxy -d -c "$scratch/tinyproxy.conf"
}

# It answers before the body. Of its own will it forbids itself to make processes (RLIMIT_NPROC 0).
field_haproxy()
{
    as_root
    head -c 15000 "$work/answer" >"$scratch/answer"
    cat >"$scratch/haproxy.cfg" <<EOT
global
    user nobody
    nbthread 4
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 60s
frontend field
    bind 127.0.0.1:$port
    http-request return status 413 content-type text/plain file $scratch/answer
EOT
    request='POST / HTTP/1.1\r\nHost: field\r\nConnection: close\r\nContent-Length: %b\r\n\r\n'
    serve haproxy -db -f "$scratch/haproxy.cfg"
}
