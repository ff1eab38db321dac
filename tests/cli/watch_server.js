// A server that prints its port and drops each client once it has sent something, with that unread.
const net = require('net');

function dropClient(handle) {
    handle.close();
}

const server = net.createServer({pauseOnConnect: true}, socket => {
    setTimeout(() => dropClient(socket._handle), 100);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
