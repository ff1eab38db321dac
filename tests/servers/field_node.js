// Node http servers that answer a request before its body has come. Usage: field_node.js HOW PORT
//   413      the answer tells the client to close, and Node closes (nodejs/node#9085)
//   destroy  the request is destroyed once the answer has been handed to the kernel
'use strict';
const http = require('http');
const [how, port] = process.argv.slice(2);
const answer = 'safeclose\n'.repeat(200000);

http.createServer((request, response) => {
    response.writeHead(413, {'Connection': 'close', 'Content-Length': answer.length});
    response.end(answer, () => {
        if (how === 'destroy')
            request.destroy();
    });
}).listen(Number(port), '127.0.0.1');
