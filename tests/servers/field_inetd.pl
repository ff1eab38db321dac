#!/usr/bin/perl
# A service as inetd starts it, the connection being its standard input and output: reads one line, writes its
# answer, and exits with the rest unread. It executes nothing.
use strict;
use warnings;

$| = 1;
<STDIN>;
print "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n",
    "safeclose\n" x 200_000;
