#!/usr/bin/perl
# A server of a few lines: reads the head of a request, refuses it, closes. Usage: field_perl.pl HOW PORT
#   one   a connection after the other, in one process
#   fork  each in a child, which exits behind its close
#   exit  likewise, but the child exits without a close
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my ($how, $port) = @ARGV;
my $answer   = "safeclose\n" x 200_000;
my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $port,
    Listen    => 5,
    ReuseAddr => 1,
) or die "unable to listen: $@\n";

sub refuse {
    my ($client) = @_;
    while (defined(my $line = <$client>)) {
        last if $line =~ /^\r?\n$/;
    }
    print $client "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n",
        'Content-Length: ', length $answer, "\r\n\r\n", $answer;
    $client->flush or die "unable to write: $!\n";
    POSIX::_exit(0) if $how eq 'exit';
    close $client or die "unable to close: $!\n";
}

$SIG{CHLD} = 'IGNORE' if $how ne 'one';
while (1) {
    my $client = $listener->accept or next;
    if ($how eq 'one') {
        refuse($client);
        next;
    }
    my $child = fork;
    die "unable to fork: $!\n" unless defined $child;
    if (!$child) {
        refuse($client);
        exit;
    }
    close $client;
}
