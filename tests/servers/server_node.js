// A Node http server that refuses a request by its head, and destroys what it does not want to read.
// See server_early.bash.
'use strict';
const http = require('http');
const body = 'safeclose\n'.repeat(100000);

const server = http.createServer((request, response) => {
    // Nobody listens for data. Node would read a buffer full of it before it stops by itself.
    request.socket.pause();
    console.log('asked');
    process.stdin.once('data', () => {
        response.writeHead(413, {'Connection': 'close', 'Content-Length': body.length});
        response.end(body, () => request.destroy());
        process.stdin.resume();
    });
});
process.stdin.on('end', () => server.close());
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
