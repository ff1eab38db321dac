#!/usr/bin/env bats
# A server in Perl that answers early. IO::Socket::INET reads through PerlIO, whose buffer takes the
# beginning of the body with the head: what stays unread is the rest.

load ../support/helper
load server_early

serve=(perl "$BATS_TEST_DIRNAME/server_perl.pl" "$port")

@test "Perl IO::Socket::INET, 20 kB unread: a reset that log explains and changes nothing of" {
    unchanged_and_told close 20000 "${serve[@]}"
}

@test "Perl IO::Socket::INET, 20 kB unread: the whole answer arrives under drain" {
    prevented close 20000 "${serve[@]}"
}
