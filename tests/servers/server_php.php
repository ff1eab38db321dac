<?php
// A server on PHP's own streams that refuses a request by its head. See server_early.bash.
$listener = stream_socket_server("tcp://127.0.0.1:{$argv[1]}", $code, $why)
    or exit("unable to listen: $why\n");
echo "listening\n";
$client = stream_socket_accept($listener, 60);
while (($line = fgets($client)) !== false && rtrim($line) !== '') {
    continue;
}
echo "asked\n";
fgets(STDIN);
$body = str_repeat("safeclose\n", 100000);
fwrite($client, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n" .
    'Content-Length: ' . strlen($body) . "\r\n\r\n" . $body);
fclose($client);
stream_get_contents(STDIN);
