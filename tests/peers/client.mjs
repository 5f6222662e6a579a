// client.mjs URL FILE COUNT: says hello, keeps what binary messages bring, and closes after that many bytes.
import { createWriteStream } from 'node:fs';
import { WebSocket } from 'ws';

const [url, file, count] = process.argv.slice(2);
const out = createWriteStream(file);
const socket = new WebSocket(url);
let bytes = 0;
socket.on('open', () => {
  socket.send('hello from node');
  socket.send(Buffer.from(Array.from({ length: 256 * 400 }, (_, i) => i & 255)));
});
socket.on('message', (data, binary) => {
  if (!binary) return;
  out.write(data);
  bytes += data.length;
  if (bytes >= Number(count)) socket.close(1000, 'enough');
});
socket.on('close', (code) => out.end(() => { console.log(`closed ${code}`); process.exit(0); }));
socket.on('error', (error) => { console.log(`error ${error.message}`); process.exit(1); });
