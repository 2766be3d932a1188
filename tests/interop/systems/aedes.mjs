// aedes as a broker over TCP and WebSocket. Prints the ports.

import http from 'node:http';
import net from 'node:net';
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/');
const { Aedes } = require('aedes');
const { WebSocketServer, createWebSocketStream } = require('ws');
const broker = await Aedes.createBroker();
const tcp = net.createServer(broker.handle);
const web = http.createServer();
const sockets = new WebSocketServer({ server: web, path: '/mqtt', handleProtocols: () => 'mqtt' });
sockets.on('connection', (socket) => broker.handle(createWebSocketStream(socket)));
await new Promise((done) => tcp.listen(0, '127.0.0.1', done));
await new Promise((done) => web.listen(0, '127.0.0.1', done));
console.log(`listening ${tcp.address().port} ${web.address().port}`);
