#!/usr/bin/perl
# Starts a program for each connection, as systemd does for a socket with Accept=yes: the connection is the
# program's standard input and output, and the manager's copy stays open until the program has ended.
# Usage: field_manager.pl PORT PROGRAM [ARGUMENT...]
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my ($port, @program) = @ARGV;
my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $port,
    Listen    => 5,
    ReuseAddr => 1,
) or die "unable to listen: $@\n";

while (1) {
    my $client = $listener->accept or next;
    my $child = fork;
    die "unable to fork: $!\n" unless defined $child;
    if (!$child) {
        POSIX::dup2(fileno $client, $_) for 0, 1;
        exec @program or die "unable to execute $program[0]: $!\n";
    }
    waitpid $child, 0;
    close $client;
}
