// Runs the script of a page, whose path is the argument, in the page of world.mjs, and lets its websocket live.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

import { addressOf, inWorld, source } from './world.mjs';

const text = readFileSync(process.argv[2], 'utf8');

await inWorld('script', async (_, world) => {
  world.writeConfig({uri: 'ws://example.org/ws/', heartbeat_msg: '--heartbeat--'});
  world.document.getElementById = (id) => (world.elements[id] ??= {dataset: {uri: 'ws://example.org/ws/orders'}, textContent: ''});
  if (text.includes('\nimport ')) {
    await import(addressOf(text.replace('../js/ws4redis.esm.js', addressOf(source('ws4redis.esm.js')))));
  } else {
    vm.runInThisContext(text);
  }
  assert.equal(world.sockets.length, 1);
  world.socket.opens();
  world.socket.receives('{"state": "new"}');
  world.socket.ends(1001);
  world.advance(2000);
  world.socket.opens();
  console.log(JSON.stringify(world.sockets[0]));
});
