// server.mjs FILE COUNT: prints its port, keeps what the first client brings, and ends with it.
import { createWriteStream } from 'node:fs';
import { WebSocketServer } from 'ws';

const [file, count] = process.argv.slice(2);
const out = createWriteStream(file);
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => console.log(server.address().port));
let bytes = 0;
server.on('connection', (socket, request) => {
  console.log(`path ${request.url}`);
  socket.on('message', (data, binary) => {
    if (!binary) return;
    out.write(data);
    bytes += data.length;
    if (bytes >= Number(count)) console.log('got all');
  });
  socket.on('close', (code) => out.end(() => { console.log(`closed ${code}`); process.exit(0); }));
});
