#!/usr/bin/perl
# A server of a few lines: reads the head of a request, refuses it, closes. See server_early.bash.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $ARGV[0],
    Listen    => 5,
    ReuseAddr => 1,
) or die "unable to listen: $@\n";
print "listening\n";

my $client = $listener->accept or die "unable to accept: $!\n";
while (defined(my $line = <$client>)) {
    last if $line =~ /^\r?\n$/;
}
print "asked\n";
<STDIN>;
my $body = "safeclose\n" x 100_000;
print $client "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n",
    'Content-Length: ', length $body, "\r\n\r\n", $body;
close $client or die "unable to close: $!\n";
1 while <STDIN>;
