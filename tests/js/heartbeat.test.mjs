// The server's heartbeat comes every 4 s.

import assert from 'node:assert/strict';

import { testBoth } from './world.mjs';

const OPTIONS = {uri: 'ws://example.org/ws/news', heartbeat_msg: '--heartbeat--'};

/** The server beats for that long. */
function beat(world, milliseconds) {
  for (let passed = 0; passed < milliseconds; passed += 4000) {
    world.advance(4000);
    world.socket.receives('--heartbeat--');
  }
}

testBoth('a heartbeat is answered and told to nobody', (WS4Redis, world) => {
  const websocket = new WS4Redis({...OPTIONS, receive_message: () => assert.fail('told')});
  websocket.on('message', () => assert.fail('told'));
  world.socket.opens();
  world.socket.receives('--heartbeat--');
  assert.deepEqual(world.socket.sent, ['--heartbeat--']);
});

testBoth('without heartbeat_msg the text is a message like any other, and no timer runs', (WS4Redis, world) => {
  for (const heartbeat_msg of [undefined, null]) {
    const heard = [];
    new WS4Redis({...OPTIONS, heartbeat_msg, receive_message: (data) => heard.push(data)});
    world.socket.opens();
    world.socket.receives('--heartbeat--');
    assert.deepEqual([heard, world.socket.sent, world.timers.size], [['--heartbeat--'], [], 0]);
  }
});

testBoth('no heartbeat is sent unasked: a server with another one would publish it', (WS4Redis, world) => {
  new WS4Redis(OPTIONS);
  world.socket.opens();
  world.advance(19999);
  assert.deepEqual(world.socket.sent, []);
});

testBoth('a connection with heartbeats stays', (WS4Redis, world) => {
  const websocket = new WS4Redis(OPTIONS);
  world.socket.opens();
  beat(world, 3600000);
  assert.deepEqual([websocket.state, world.sockets.length, world.timers.size], ['open', 1, 1]);
});

testBoth('any message is a sign of life', (WS4Redis, world) => {
  const websocket = new WS4Redis(OPTIONS);
  world.socket.opens();
  for (let turn = 0; turn < 100; turn += 1) {
    // Whatever part of an interval they fall into.
    world.advance(14900 + turn);
    world.socket.receives('hello');
  }
  assert.deepEqual([websocket.state, world.sockets.length], ['open', 1]);
});

testBoth('three intervals of silence are an end, though the browser says nothing', (WS4Redis, world) => {
  const events = [];
  const websocket = new WS4Redis({...OPTIONS, disconnected: (event) => events.push(event)});
  world.socket.opens();
  world.advance(19999);
  assert.equal(websocket.state, 'open');
  world.advance(1);
  assert.equal(websocket.state, 'waiting');
  assert.equal(world.socket.readyState, 2, 'the old websocket was not closed');
  const [event] = events;
  assert.deepEqual([events.length, event.code, event.reason, event.wasClean], [1, 1006, 'no heartbeat', false]);
  assert.equal(world.timers.size, 1, 'that of the next attempt');
});

testBoth('what a connection that was given up says later is not heard', (WS4Redis, world) => {
  const told = [];
  const websocket = new WS4Redis({...OPTIONS, receive_message: (data) => told.push(data), disconnected: () => told.push('end')});
  world.socket.opens();
  world.advance(20000);
  const [old] = world.sockets;
  world.advance(world.delay);
  world.socket.opens();
  old.readyState = 1;
  old.receives('late');
  old.ends(1006);
  assert.deepEqual([told, websocket.state, world.sockets.length], [['end'], 'open', 2]);
});

testBoth('no timer of a heartbeat outlives its websocket', (WS4Redis, world) => {
  new WS4Redis(OPTIONS);
  world.socket.opens();
  assert.equal(world.timers.size, 1);
  world.socket.ends(1006);
  assert.equal(world.timers.size, 1, 'more than the next attempt waits');
  world.advance(world.delay);
  world.socket.opens();
  assert.equal(world.timers.size, 1, 'more than one heartbeat is watched');
});

testBoth('timers that a hidden page gets once a minute declare nobody dead', (WS4Redis, world) => {
  const websocket = new WS4Redis(OPTIONS);
  world.socket.opens();
  world.hides();
  for (let minute = 0; minute < 60; minute += 1) {
    // Messages are not throttled, and only one turn of the timer comes.
    world.now += 60000;
    world.socket.receives('--heartbeat--');
    const [timer] = world.timers.values();
    timer.at = world.now + 5000;
    timer.callback();
  }
  assert.deepEqual([websocket.state, world.sockets.length], ['open', 1]);
});

testBoth('a laptop that has slept declares nobody dead before the server could beat', (WS4Redis, world) => {
  const websocket = new WS4Redis(OPTIONS);
  world.socket.opens();
  world.advance(9000);
  // No timer runs in sleep; afterwards one turn is due at once, and the page becomes visible.
  world.now += 8 * 3600000;
  const [timer] = world.timers.values();
  timer.at = world.now + 5000;
  timer.callback();
  world.shows();
  beat(world, 60000);
  assert.deepEqual([websocket.state, world.sockets.length], ['open', 1]);
});

for (const event of ['goesOnline', 'shows']) {
  testBoth(`a connection that died unseen is given up sooner (${event})`, (WS4Redis, world) => {
    const websocket = new WS4Redis(OPTIONS);
    world.socket.opens();
    beat(world, 8000);
    world[event]();
    world.advance(9999);
    assert.equal(websocket.state, 'open');
    world.advance(1);
    assert.equal(websocket.state, 'waiting');
  });
}

testBoth('one interval without a heartbeat is none too many after such an event', (WS4Redis, world) => {
  const websocket = new WS4Redis(OPTIONS);
  world.socket.opens();
  world.goesOnline();
  beat(world, 60000);
  assert.deepEqual([websocket.state, world.timers.size], ['open', 1]);
});
