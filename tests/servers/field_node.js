// Node http servers that answer a request before its body has come. Usage: field_node.js HOW PORT
//   413      the answer tells the client to close, and Node closes (nodejs/node#9085)
//   destroy  the request is destroyed once the answer has been handed to the kernel
//   cluster  likewise, in the one worker of a cluster
'use strict';
const cluster = require('cluster');
const http = require('http');
const [how, port] = process.argv.slice(2);
const answer = 'safeclose\n'.repeat(200000);

if (how === 'cluster' && cluster.isPrimary) {
    cluster.fork();
    process.on('SIGTERM', () => process.exit(0));
} else {
    http.createServer((request, response) => {
        response.writeHead(413, {'Connection': 'close', 'Content-Length': answer.length});
        response.end(answer, () => {
            if (how !== '413')
                request.destroy();
        });
    }).listen(Number(port), '127.0.0.1');
}
