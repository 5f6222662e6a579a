// A relay on node's `ws` in the shape people run for jsmpeg (relay JS-11, JS-12): one message to every viewer for each piece
// of the body that node reads. relay_node.mjs [--cert FILE --key FILE] [--dial URL --count N]; both kinds of peers come to
// the one port that is printed.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';

const options = {};
for (let i = 2; i + 1 < process.argv.length; i += 2) options[process.argv[i]] = process.argv[i + 1];

const viewers = new Set();
const keep = (socket) => {
  viewers.add(socket);
  socket.on('close', () => viewers.delete(socket));
  socket.on('error', () => viewers.delete(socket));
};

const onPush = (request) => {
  request.socket.setTimeout(0);
  request.on('data', (piece) => {
    for (const viewer of viewers) if (viewer.readyState === WebSocket.OPEN) viewer.send(piece);
  });
};
const server = options['--cert']
  ? https.createServer({ cert: readFileSync(options['--cert']), key: readFileSync(options['--key']) }, onPush)
  : http.createServer(onPush);
server.headersTimeout = server.requestTimeout = 0;
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', keep);

for (let i = 0; i < Number(options['--count'] ?? 0); ++i) {
  const socket = new WebSocket(options['--dial'], { perMessageDeflate: false, rejectUnauthorized: false });
  socket.on('open', () => keep(socket));
  socket.on('error', () => process.exit(1));
}

server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
