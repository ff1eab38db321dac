#!/bin/sh
# A service as inetd starts it, the connection being its standard input and output. What it runs
# holds the connection too: a pipeline, a subshell, a background job. Ends with its client's input.
echo 'ready'
read -r first
(echo "first: $first")
true &
cat -n | tr ' ' '_'
wait
echo 'goodbye'
