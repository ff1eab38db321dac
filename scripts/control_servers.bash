# shellcheck shell=bash
# The programs that scripts/controls looks at, a function each. It is called in the directory of one run,
# which everybody may write to, and sets
#   command=()        what to start; it stays in the foreground, and listens on $address:$port
#   user              who runs it, when not root
#   signal            its own way of being told to end
#   request=()        options of crowd for the connections that are looked at
#   light=()          the same where many come at a time, if they can't all be so large
#   healthy=() sign   options of crowd for one that is served well, and how such an answer begins
#   holds=()          options of crowd for one that takes the only place meanwhile
#   ignored           lines that it writes now and then
#   what              what is asked of it
# shellcheck disable=SC2034,SC2154 # all of them are read there; $address, $port and $work are from there

post='POST %s HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Length: %%b\r\n\r\n'
get='GET / HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n'

too_large()
{
    local head
    # shellcheck disable=SC2059
    printf -v head "${post//\\/\\\\}" /
    request=(-b 8000000 -s "$head")
    light=(-b 1000000 -s "$head")
    healthy=(-s "$get")
    sign='HTTP/1.[01] 200 '
    what='413 to a POST of 8 MB'
    echo well >index.html
}

control_nginx()
{
    too_large
    signal=QUIT
    mkdir temp
    cat >nginx.conf <<END
daemon off;
user www-data;
worker_processes 2;
pid $PWD/pid;
error_log stderr;
events { worker_connections 2048; }
http {
    access_log off;
    client_body_temp_path $PWD/temp/body;
    proxy_temp_path $PWD/temp/proxy;
    fastcgi_temp_path $PWD/temp/fastcgi;
    uwsgi_temp_path $PWD/temp/uwsgi;
    scgi_temp_path $PWD/temp/scgi;
    server {
        listen $address:$port reuseport backlog=4096;
        root $PWD;
        client_max_body_size 100k;
    }
}
END
    command=(nginx -e stderr -c "$PWD/nginx.conf")
}

apache()
{
    too_large
    signal=TERM
    cat >apache.conf <<END
ServerRoot $PWD
ServerName control
Listen $address:$port
ListenBacklog 4096
PidFile $PWD/pid
DefaultRuntimeDir $PWD
ErrorLog $PWD/error.log
LoadModule mpm_$1_module /usr/lib/apache2/modules/mod_mpm_$1.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
User www-data
Group www-data
DocumentRoot $PWD
DirectoryIndex index.html
LimitRequestBody 100000
$2
END
    command=(apache2 -DFOREGROUND -f "$PWD/apache.conf")
}

control_apache_prefork()
{
    apache prefork 'StartServers 5
MaxRequestWorkers 40'
}

control_apache_event()
{
    apache event 'StartServers 2
ThreadsPerChild 25
MaxRequestWorkers 100'
}

control_lighttpd()
{
    too_large
    signal=INT
    cat >lighttpd.conf <<END
server.modules = ( "mod_indexfile" )
server.document-root = "$PWD"
server.username = "www-data"
server.groupname = "www-data"
server.bind = "$address"
server.port = $port
server.listen-backlog = 4096
server.max-fds = 4096
server.max-request-size = 100
server.upload-dirs = ( "$PWD" )
index-file.names = ( "index.html" )
END
    command=(lighttpd -D -f "$PWD/lighttpd.conf")
}

control_php()
{
    too_large
    signal=INT
    what='a POST of 8 MB, whole'
    light[1]=100000
    cat >router.php <<'END'
<?php
if ($_SERVER['REQUEST_METHOD'] == 'POST')
    http_response_code(413);
header('Connection: close');
echo str_repeat("safeclose\n", 10000);
END
    command=(php -n -d post_max_size=100M -d memory_limit=-1 -d log_errors=0 -S "$address:$port" "$PWD/router.php")
}

# The start of a session: its length, the version of the protocol, a user; then the end of one.
control_postgres()
{
    local start='\000\000\000\027\000\003\000\000user\000postgres\000\000'
    request=(-s "$start")
    light=("${request[@]}")
    healthy=(-s "${start}X\\000\\000\\000\\004")
    sign='R'
    holds=(-s "$start")
    what='"too many clients"'
    ignored='the database system is starting up'
    user=postgres
    signal=INT
    cp -r "$work/postgres" data
    chown -R postgres data
    command=("$(postgres_bin)/postgres" -D "$PWD/data" -c "listen_addresses=$address" -c "port=$port"
        -c unix_socket_directories= -c max_connections=1 -c superuser_reserved_connections=0
        -c max_wal_senders=0 -c autovacuum=off -c fsync=off -c shared_buffers=1MB
        -c dynamic_shared_memory_type=mmap)
}

postgres_bin()
{
    local bin=''
    for bin in /usr/lib/postgresql/*/bin; do :; done
    echo "$bin"
}

# Once for all runs: it takes seconds.
prepare_postgres()
{
    mkdir "$work/postgres"
    chown postgres "$work/postgres"
    setpriv --reuid=postgres --regid=postgres --init-groups "$(postgres_bin)/initdb" -A trust -U postgres \
        --no-sync -D "$work/postgres" >"$work/initdb" 2>&1 || fail "initialise postgres: $(tail -n 1 "$work/initdb")"
}

vsftpd_with()
{
    request=(-s '')
    light=(-s '')
    healthy=(-s 'QUIT\r\n')
    sign=220
    holds=(-s '')
    signal=TERM
    mkdir empty
    cat >vsftpd.conf <<END
listen=YES
background=NO
listen_address=$address
listen_port=$port
anonymous_enable=YES
secure_chroot_dir=$PWD/empty
$1
END
    command=(vsftpd "$PWD/vsftpd.conf")
}

control_vsftpd_clients()
{
    vsftpd_with max_clients=1
    what='421, max_clients reached'
}

control_vsftpd_ip()
{
    vsftpd_with max_per_ip=1
    what='421, max_per_ip reached'
}
