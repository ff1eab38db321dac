#!/bin/sh
# A service as inetd starts it: reads one line, writes its answer, and exits. It closes nothing.
read -r _
printf 'HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n'
exec head -c 2000000 /dev/zero
