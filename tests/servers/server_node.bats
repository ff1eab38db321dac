#!/usr/bin/env bats
# A Node http server that answers early. libuv closes by syscall(SYS_close), not by close(). It reads
# 64 kB at a time, so 20 kB would not stay unread: the body is larger here.

load ../support/helper
load server_early

threads=yes
serve=(node "$BATS_TEST_DIRNAME/server_node.js" "$port")

@test "Node http, most of a body unread: a reset that log explains and changes nothing of" {
    unchanged_and_told syscall 80000 "${serve[@]}"
}

@test "Node http, most of a body unread: the whole answer arrives under drain" {
    prevented syscall 80000 "${serve[@]}"
}
