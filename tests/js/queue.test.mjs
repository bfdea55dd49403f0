// send() while there is nobody to send to.

import assert from 'node:assert/strict';

import { testBoth } from './world.mjs';

const URI = 'ws://example.org/ws/news?publish-broadcast';

for (const name of ['send', 'send_message']) {
  testBoth(`${name}() sends what it is given`, (WS4Redis, world) => {
    const websocket = new WS4Redis({uri: URI});
    world.socket.opens();
    const bytes = new Uint8Array([1, 2]);
    websocket[name]('hello');
    websocket[name](bytes);
    assert.deepEqual(world.socket.sent, ['hello', bytes]);
  });

  testBoth(`${name}() throws while it is not open`, (WS4Redis, world) => {
    const websocket = new WS4Redis({uri: URI});
    const refused = () => assert.throws(() => websocket[name]('hello'), /not open, the message was not sent/);
    refused();
    world.socket.opens();
    // The server has begun to close.
    world.socket.readyState = 2;
    refused();
    world.socket.ends(1001);
    refused();
    world.advance(2000);
    refused();
    world.socket.opens();
    assert.deepEqual(world.socket.sent, []);
    websocket.close();
    refused();
  });
}

testBoth('with a queue messages wait and go out in order, once', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI, queue: 10});
  websocket.send('1');
  websocket.send_message('2');
  world.socket.ends(1006);
  websocket.send('3');
  world.advance(2000);
  websocket.send('4');
  world.socket.opens();
  assert.deepEqual(world.socket.sent, ['1', '2', '3', '4']);
  world.socket.ends(1001);
  world.advance(4000);
  world.socket.opens();
  assert.deepEqual(world.socket.sent, []);
});

testBoth('what waited goes before what the page sends when it opens', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI, queue: 10, connected: () => websocket.send('connected')});
  websocket.on('state', (state) => websocket.send(state));
  websocket.send('waited');
  world.socket.opens();
  assert.deepEqual(world.socket.sent, ['waited', 'open', 'connected']);
});

testBoth('the queue is bounded, and says so', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI, queue: 2});
  websocket.send('1');
  websocket.send('2');
  assert.throws(() => websocket.send('3'), /2 messages wait already, this one was not sent/);
  world.socket.opens();
  assert.deepEqual(world.socket.sent, ['1', '2']);
  world.socket.ends(1001);
  websocket.send('4');
  websocket.send('5');
  assert.throws(() => websocket.send('6'), /2 messages wait already/);
});

testBoth('an opening that ends at once keeps what it could not send', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI, queue: 10});
  ['1', '2', '3'].forEach((text) => websocket.send(text));
  const [first] = world.sockets;
  const send = first.send;
  first.send = (message) => {
    send.call(first, message);
    first.readyState = 2;
  };
  first.opens();
  first.ends(1001);
  world.advance(2000);
  world.socket.opens();
  assert.deepEqual(world.sockets.map(({sent}) => sent), [['1'], ['2', '3']]);
});

for (const end of ['close', '1008']) {
  testBoth(`nothing waits for what is closed for good (${end})`, (WS4Redis, world) => {
    const websocket = new WS4Redis({uri: URI, queue: 10});
    websocket.send('1');
    if (end === 'close') {
      websocket.close();
    } else {
      world.socket.ends(1008);
    }
    assert.throws(() => websocket.send('2'), /not open/);
    // An opening that was on its way.
    world.socket.readyState = 1;
    world.socket.onopen?.({type: 'open'});
    assert.deepEqual(world.socket.sent, []);
  });
}
