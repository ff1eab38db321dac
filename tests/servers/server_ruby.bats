#!/usr/bin/env bats
# Servers in Ruby that answer early: TCPServer, and WEBrick refusing with 401.

load ../support/helper
load server_early

serve=(ruby "$BATS_TEST_DIRNAME/server_ruby.rb")

@test "Ruby TCPServer, 20 kB unread: a reset that log explains and changes nothing of" {
    unchanged_and_told close 20000 "${serve[@]}" socket "$port"
}

@test "Ruby TCPServer, 20 kB unread: the whole answer arrives under drain" {
    prevented close 20000 "${serve[@]}" socket "$port"
}

@test "WEBrick, 20 kB unread: a reset that log explains and changes nothing of" {
    threads=yes
    unchanged_and_told close 20000 "${serve[@]}" webrick "$port"
}

@test "WEBrick, 20 kB unread: the whole answer arrives under drain" {
    threads=yes
    prevented close 20000 "${serve[@]}" webrick "$port"
}
