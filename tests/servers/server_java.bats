#!/usr/bin/env bats
# Servers in Java that answer early. Socket.close half-closes first, so its close finds FIN_WAIT1; and
# when another thread is at work on the socket, the JDK gives up the connection by dup2 and leaves the
# number to that thread. HttpServer itself discards up to sun.net.httpserver.drainAmount (64 kB) of a
# body before it closes; told not to, it does with 20 kB what it else does with more than that.

load ../support/helper
load server_early

setup_file()
{
    javac -d "$BATS_FILE_TMPDIR" "$BATS_TEST_DIRNAME/server_java.java"
}

setup()
{
    threads=yes
    serve=(java -XX:+UseSerialGC -cp "$BATS_FILE_TMPDIR" -Dsun.net.httpserver.drainAmount=0 ServerJava)
}

@test "Java ServerSocket, 20 kB unread: a reset that log explains and changes nothing of" {
    unchanged_and_told close,FIN_WAIT1 20000 "${serve[@]}" socket "$port"
}

@test "Java ServerSocket, 20 kB unread: the whole answer arrives under drain" {
    prevented close,FIN_WAIT1 20000 "${serve[@]}" socket "$port"
}

@test "Java HttpServer, 20 kB unread: a reset that log explains and changes nothing of" {
    unchanged_and_told close 20000 "${serve[@]}" http "$port"
}

@test "Java HttpServer, 20 kB unread: the whole answer arrives under drain" {
    prevented close 20000 "${serve[@]}" http "$port"
}
