// When it comes back, and when it does not.

import assert from 'node:assert/strict';

import { testBoth } from './world.mjs';

const URI = 'ws://example.org/ws/news?subscribe-broadcast';

/** The waits before the next attempts, each of which is refused. */
function waits(world, count) {
  return Array.from({length: count}, () => {
    world.socket.ends(1006);
    const {delay} = world;
    world.advance(delay);
    return delay;
  });
}

// Back-off

testBoth('the wait is drawn from 0 to a ceiling that doubles up to 30 s', (WS4Redis, world) => {
  for (const [chance, share] of [[0, 0], [0.25, 0.25], [1 - 2 ** -53, 1]]) {
    world.chance = chance;
    new WS4Redis({uri: URI}).on('state', () => {});
    const expected = [2000, 4000, 8000, 16000, 30000, 30000, 30000].map((ceiling) => ceiling * share);
    assert.deepEqual(waits(world, 7).map(Math.round), expected);
    world.timers.clear();
  }
});

testBoth('each wait is drawn anew', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  const chances = [0.1, 0.9, 0.5];
  const drawn = chances.map((chance) => {
    world.chance = chance;
    return waits(world, 1)[0];
  });
  assert.deepEqual(drawn, [200, 3600, 4000]);
});

testBoth('it goes on trying for ever', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  assert.equal(waits(world, 2000).at(-1), 15000);
  assert.equal(websocket.state, 'connecting');
  assert.equal(world.sockets.length, 2001);
});

testBoth('first_delay and longest_delay set the ceilings', (WS4Redis, world) => {
  new WS4Redis({uri: URI, first_delay: 100, longest_delay: 500});
  assert.deepEqual(waits(world, 4), [50, 100, 200, 250]);
  new WS4Redis({uri: URI, first_delay: 9000, longest_delay: 500});
  assert.deepEqual(waits(world, 1), [250]);
});

testBoth('a connection that lasted sets the ceiling back', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  waits(world, 5);
  world.loses(1001, 10000);
  assert.equal(world.delay, 1000);
});

testBoth('a server that accepts and then closes is not hammered', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  const drawn = Array.from({length: 6}, () => {
    world.loses(1011, 9999);
    const {delay} = world;
    world.advance(delay);
    return delay;
  });
  assert.deepEqual(drawn, [1000, 2000, 4000, 8000, 15000, 15000]);
});

testBoth('one websocket at a time, one timer at a time', (WS4Redis, world) => {
  new WS4Redis({uri: URI, heartbeat_msg: 'beat'});
  for (let turn = 0; turn < 20; turn += 1) {
    assert.equal(world.sockets.filter(({readyState}) => readyState !== 3).length, 1);
    world.socket.opens();
    assert.equal(world.timers.size, 1, 'that of the heartbeat');
    world.socket.ends(1001);
    assert.equal(world.timers.size, 1, 'that of the next attempt');
    world.advance(world.delay);
    assert.equal(world.timers.size, 0);
  }
});

// Close codes

for (const code of [1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1012, 1015, 3000, 4000]) {
  testBoth(`after ${code} it comes back`, (WS4Redis, world) => {
    const websocket = new WS4Redis({uri: URI});
    const codes = [];
    websocket.on('close', (event) => codes.push(event.code));
    world.loses(code);
    assert.equal(websocket.state, 'waiting');
    world.advance(2000);
    world.socket.opens();
    assert.equal(websocket.state, 'open');
    assert.deepEqual(codes, [code]);
  });
}

testBoth('after 1008 it does not come back, whatever happens', (WS4Redis, world) => {
  const told = [];
  const websocket = new WS4Redis({uri: URI, heartbeat_msg: 'beat', disconnected: ({code}) => told.push(code)});
  world.loses(1008);
  assert.equal(websocket.state, 'closed');
  assert.deepEqual(told, [1008]);
  assert.deepEqual([world.timers.size, world.listeners], [0, []]);
  world.goesOnline();
  world.hides();
  world.shows();
  world.advance(1e7);
  assert.equal(world.sockets.length, 1);
  assert.throws(() => websocket.send('hello'), /not open/);
});

testBoth('after 1013 it comes back later, and nothing makes it come sooner', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  for (const [chance, delay] of [[0, 15000], [0.5, 22500], [1 - 2 ** -53, 30000]]) {
    world.chance = chance;
    world.loses(1013);
    assert.equal(Math.round(world.delay), delay);
    world.goesOnline();
    world.hides();
    world.shows();
    assert.equal(websocket.state, 'waiting');
    world.advance(delay + 1);
    assert.equal(websocket.state, 'connecting');
  }
});

testBoth('1013 counts once: the next loss is an ordinary one', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  world.loses(1013);
  world.advance(world.delay);
  world.loses(1001, 10000);
  assert.equal(world.delay, 1000);
  world.goesOnline();
  assert.equal(websocket.state, 'connecting');
});

testBoth('longest_delay is also that of 1013', (WS4Redis, world) => {
  new WS4Redis({uri: URI, longest_delay: 4000});
  world.loses(1013);
  assert.equal(world.delay, 3000);
});

// At once

testBoth('when the browser comes online it tries at once', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  world.loses(1006);
  world.goesOnline();
  assert.equal(world.sockets.length, 2);
  assert.equal(world.timers.size, 0, 'the timer of the attempt is left');
  world.advance(1e6);
  assert.equal(world.sockets.length, 2);
});

testBoth('online counts in a page that is hidden too', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  world.loses(1006);
  world.hides();
  assert.equal(world.sockets.length, 1, 'it hurries when the page is hidden');
  world.goesOnline();
  assert.equal(world.sockets.length, 2);
});

testBoth('when the page becomes visible again it tries at once', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  world.loses(1006);
  world.hides();
  world.shows();
  assert.equal(world.sockets.length, 2);
  assert.equal(world.timers.size, 0);
});

testBoth('events while it is connected or connecting open no second websocket', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  world.goesOnline();
  world.shows();
  world.socket.opens();
  world.goesOnline();
  world.shows();
  assert.equal(world.sockets.length, 1);
});

testBoth('an attempt at once does not set the ceiling back', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  waits(world, 3);
  world.socket.ends(1006);
  world.goesOnline();
  world.socket.ends(1006);
  assert.equal(world.delay, 15000);
});

// close()

testBoth('close() ends an attempt that waits', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI, heartbeat_msg: 'beat'});
  world.socket.ends(1006);
  assert.equal(world.timers.size, 1);
  websocket.close();
  assert.deepEqual([world.timers.size, world.listeners, websocket.state], [0, [], 'closed']);
  world.advance(1e6);
  world.goesOnline();
  assert.equal(world.sockets.length, 1);
});

testBoth('close() leaves no timer and no listener while connecting, open and closing', (WS4Redis, world) => {
  const told = [];
  for (const opens of [false, true]) {
    const websocket = new WS4Redis({uri: URI, heartbeat_msg: 'beat', disconnected: ({code}) => told.push(code)});
    if (opens) {
      world.socket.opens();
    }
    const states = [];
    websocket.on('state', (state) => states.push(state));
    websocket.close();
    websocket.close();
    assert.deepEqual(states, ['closed']);
    assert.deepEqual([world.timers.size, world.listeners, websocket.state], [0, [], 'closed']);
    assert.equal(websocket.is_closing(), true);
    world.socket.ends(opens ? 1000 : 1006);
    assert.deepEqual([world.timers.size, world.listeners, websocket.is_closed()], [0, [], true]);
  }
  world.advance(1e6);
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(told, [1006, 1000]);
});

testBoth('an opening that was on its way when close() was called is not told', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI, heartbeat_msg: 'beat', connected: () => assert.fail('told')});
  websocket.close();
  world.socket.onopen({type: 'open'});
  assert.deepEqual([websocket.state, world.timers.size], ['closed', 0]);
});

testBoth('nothing is left of one that was closed after a long life', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI, heartbeat_msg: 'beat'});
  for (let turn = 0; turn < 50; turn += 1) {
    world.loses(turn % 2 ? 1001 : 1013, turn * 500);
    world.advance(world.delay);
  }
  assert.equal(world.listeners.length, 2, 'listeners have gathered');
  world.socket.opens();
  websocket.close();
  world.socket.ends(1000);
  assert.deepEqual([world.timers.size, world.listeners], [0, []]);
});
