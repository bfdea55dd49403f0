// What pages call, and what they are told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { source, testBoth, testForm } from './world.mjs';

const URI = 'ws://example.org/ws/news?subscribe-broadcast';
const METHODS = ['send_message', 'get_state', 'close', 'is_connecting', 'is_connected', 'is_closing', 'is_closed'];

// How it is loaded

test('the script defines one global and needs none but those of a browser', () => {
  const page = vm.createContext({});
  vm.runInContext(source('ws4redis.js'), page);
  assert.deepEqual(Object.keys(page), ['WS4Redis']);
  assert.equal(vm.runInContext('typeof WS4Redis', page), 'function');
  // A page may hold it twice.
  vm.runInContext(source('ws4redis.js'), page);
});

for (const name of ['ws4redis.js', 'ws4redis.esm.js']) {
  test(`${name} names nothing that a strict Content-Security-Policy forbids`, () => {
    assert.doesNotMatch(source(name), /\beval\b|\bFunction\(|innerHTML|document\.write|createElement|set(Timeout|Interval)\(['"`]/);
  });

  test(`${name} imports nothing, not even to the eye of collectstatic`, () => {
    assert.doesNotMatch(source(name), /\bimport\b|\bfrom\s*['"]|\brequire\(|sourceMappingURL/);
  });
}

testForm('script', 'it works where no code can be made of text', (_, world) => {
  const page = vm.createContext({
    WebSocket, CloseEvent, performance, setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask,
    document, addEventListener, removeEventListener,
  }, {codeGeneration: {strings: false, wasm: false}});
  assert.throws(() => vm.runInContext('eval("1")', page), /Code generation from strings disallowed/);
  world.writeConfig({uri: 'ws://example.org/ws/', heartbeat_msg: 'beat'});
  vm.runInContext(`${source('ws4redis.js')}
    globalThis.heard = [];
    globalThis.websocket = WS4Redis.subscribe('news', {subscribe: 'broadcast', queue: 1});
    websocket.on('message', (data) => heard.push(data));
    websocket.send('waits');
  `, page);
  world.socket.opens();
  world.socket.receives('hello');
  world.advance(20000);
  world.goesOnline();
  world.socket.opens();
  page.websocket.close();
  assert.deepEqual([[...page.heard], world.sockets.length, world.sockets[0].sent, world.timers.size], [['hello'], 2, ['waits'], 0]);
});

testForm('script', 'new may be left out, and jQuery given', (WS4Redis, world) => {
  for (const websocket of [new WS4Redis({uri: URI}), WS4Redis({uri: URI}), WS4Redis({uri: URI}, () => {}), new WS4Redis({uri: URI}, null)]) {
    assert.ok(websocket instanceof WS4Redis);
    assert.equal(websocket.is_connecting(), true);
  }
  assert.equal(world.sockets.length, 4);
});

testForm('module', 'the export is a class', (WS4Redis) => {
  assert.throws(() => WS4Redis({uri: URI}), /class constructor/i);
  assert.match(Function.prototype.toString.call(WS4Redis), /^class WS4Redis /);
});

testBoth('a class of the page can extend it', (WS4Redis, world) => {
  class Orders extends WS4Redis {
    order(item) {
      this.send(`order ${item}`);
    }
  }
  const orders = Orders.subscribe('orders', {uri: 'ws://example.org/ws/'});
  assert.ok(orders instanceof Orders);
  world.socket.opens();
  orders.order('tea');
  assert.deepEqual(world.socket.sent, ['order tea']);
});

testBoth('without a uri there is nothing to connect to', (WS4Redis, world) => {
  for (const options of [undefined, null, {}, {uri: ''}]) {
    assert.throws(() => new WS4Redis(options), /the option uri is missing/);
  }
  assert.deepEqual([world.sockets, world.listeners, world.timers.size], [[], [], 0]);
});

testBoth('an address that is none leaves nothing behind', (WS4Redis, world) => {
  assert.throws(() => new WS4Redis({uri: 'nonsense'}));
  assert.deepEqual([world.listeners, world.timers.size], [[], 0]);
});

// The old interface

testBoth('it connects at once', (WS4Redis, world) => {
  new WS4Redis({uri: URI});
  assert.deepEqual(world.sockets.map(({uri}) => uri), [URI]);
});

testBoth('the callbacks of the options are told everything, as methods of the options', (WS4Redis, world) => {
  const told = [];
  const options = {
    uri: URI,
    connecting(...given) {
      told.push(['connecting', this === options, given.filter((one) => one !== undefined)]);
    },
    connected(event) {
      told.push(['connected', this === options, event.type]);
    },
    disconnected(event) {
      told.push(['disconnected', this === options, event.code]);
    },
    receive_message(data) {
      told.push(['receive_message', this === options, data]);
    },
  };
  new WS4Redis(options);
  world.socket.opens();
  world.socket.receives('hello');
  world.socket.ends(1001);
  world.advance(2000);
  assert.deepEqual(told, [
    ['connecting', true, []],
    ['connected', true, 'open'],
    ['receive_message', true, 'hello'],
    ['disconnected', true, 1001],
    ['connecting', true, []],
  ]);
});

testBoth('the methods of release 0.6.0 say how it stands', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  const stands = () => [
    websocket.get_state(), websocket.is_connecting(), websocket.is_connected(), websocket.is_closing(), websocket.is_closed(),
  ];
  assert.deepEqual(stands(), [0, true, false, false, false]);
  world.socket.opens();
  assert.deepEqual(stands(), [1, false, true, false, false]);
  websocket.close();
  assert.deepEqual(stands(), [2, false, false, true, false]);
  world.socket.ends(1000);
  assert.deepEqual(stands(), [3, false, false, false, true]);
});

testBoth('between two attempts it is closed in the old words', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  world.loses(1001);
  assert.deepEqual([websocket.get_state(), websocket.is_closed(), websocket.state], [3, true, 'waiting']);
});

testBoth('a method is a function that can be handed over', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  world.socket.opens();
  const {send_message: say, on} = websocket;
  say('hello');
  assert.deepEqual(world.socket.sent, ['hello']);
  const heard = [];
  on('message', (data) => heard.push(data));
  world.socket.receives('hello');
  assert.deepEqual(heard, ['hello']);
  for (const name of METHODS.filter((one) => one !== 'send_message' && one !== 'close')) {
    assert.notEqual((0, websocket[name])(), undefined, name);
  }
  // As addEventListener('pagehide', websocket.close) calls it.
  (0, websocket.close)({type: 'pagehide'});
  assert.equal(websocket.state, 'closed');
});

testBoth('a callback that is put into the options later is called', (WS4Redis, world) => {
  const options = {uri: URI};
  new WS4Redis(options);
  const heard = [];
  options.receive_message = (data) => heard.push(data);
  world.socket.opens();
  world.socket.receives('hello');
  assert.deepEqual(heard, ['hello']);
});

// The new interface

testBoth('on() hears of messages, the opening, the end and every state', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  const told = [];
  websocket.on('message', (data) => told.push(['message', data]));
  websocket.on('open', ({type}) => told.push(['open', type]));
  websocket.on('close', ({code}) => told.push(['close', code]));
  websocket.on('state', (state) => told.push(['state', state, state === websocket.state]));
  world.socket.opens();
  world.socket.receives('hello');
  world.socket.ends(1001);
  world.advance(2000);
  websocket.close();
  world.socket.ends(1006);
  assert.deepEqual(told, [
    ['state', 'open', true],
    ['open', 'open'],
    ['message', 'hello'],
    ['state', 'waiting', true],
    ['close', 1001],
    ['state', 'connecting', true],
    ['state', 'closed', true],
    ['close', 1006],
  ]);
});

testBoth('what on() gives ends it, and nothing else', (WS4Redis, world) => {
  const websocket = new WS4Redis({uri: URI});
  const told = [];
  const listen = (data) => told.push(data);
  const ends = [websocket.on('message', listen), websocket.on('message', listen)];
  world.socket.opens();
  world.socket.receives('1');
  ends[0]();
  ends[0]();
  world.socket.receives('2');
  ends[1]();
  world.socket.receives('3');
  assert.deepEqual(told, ['1', '1', '2']);
});

testBoth('callbacks of both interfaces stand side by side, in order', (WS4Redis, world) => {
  const told = [];
  const websocket = new WS4Redis({uri: URI, receive_message: () => told.push('option')});
  websocket.on('message', () => told.push('first'));
  websocket.on('message', () => told.push('second'));
  world.socket.opens();
  world.socket.receives('hello');
  assert.deepEqual(told, ['option', 'first', 'second']);
});

testBoth('on() refuses what it does not know', (WS4Redis) => {
  const websocket = new WS4Redis({uri: URI});
  assert.throws(() => websocket.on('messages', () => {}), /one of message, open, close, state/);
  assert.throws(() => websocket.on('constructor', () => {}), /one of message/);
  assert.throws(() => websocket.on('message'), /and a function/);
});

testBoth('the state cannot be set from outside', (WS4Redis) => {
  const websocket = new WS4Redis({uri: URI});
  assert.throws(() => {
    websocket.state = 'open';
  }, TypeError);
  assert.equal(websocket.state, 'connecting');
});

// Messages

testBoth('binary messages are ArrayBuffers, after a reconnection too', (WS4Redis, world) => {
  const heard = [];
  new WS4Redis({uri: URI, heartbeat_msg: 'beat', receive_message: (data) => heard.push(data)});
  world.loses(1001);
  world.advance(2000);
  world.socket.opens();
  world.socket.receives(new Uint8Array([1, 0, 255]));
  assert.ok(heard[0] instanceof ArrayBuffer);
  assert.deepEqual([...new Uint8Array(heard[0])], [1, 0, 255]);
});

testBoth('an empty message is a message', (WS4Redis, world) => {
  const heard = [];
  new WS4Redis({uri: URI, receive_message: (data) => heard.push(data)});
  world.socket.opens();
  world.socket.receives('');
  assert.deepEqual(heard, ['']);
});

// Errors of the page

testBoth('callbacks that throw stop nothing and are reported', (WS4Redis, world) => {
  const fail = (name) => () => {
    throw new Error(name);
  };
  const heard = [];
  const websocket = new WS4Redis({
    uri: URI,
    heartbeat_msg: 'beat',
    connecting: fail('connecting'),
    connected: fail('connected'),
    disconnected: fail('disconnected'),
    receive_message: fail('receive_message'),
  });
  for (const event of ['message', 'open', 'close', 'state']) {
    websocket.on(event, fail(event));
  }
  websocket.on('message', (data) => heard.push(data));
  assert.deepEqual(world.takeErrors(), ['connecting']);
  world.socket.opens();
  assert.deepEqual(world.takeErrors(), ['state', 'connected', 'open']);
  world.socket.receives('hello');
  assert.deepEqual(world.takeErrors(), ['receive_message', 'message']);
  assert.deepEqual(heard, ['hello']);
  world.socket.ends(1001);
  assert.deepEqual(world.takeErrors(), ['state', 'disconnected', 'close']);
  world.advance(2000);
  assert.deepEqual(world.takeErrors(), ['state', 'connecting']);
  world.socket.opens();
  world.takeErrors();
  assert.equal(websocket.state, 'open');
  assert.equal(world.timers.size, 1, 'the heartbeat is watched');
});

testBoth('a callback may close it, whichever it is', (WS4Redis, world) => {
  for (const event of ['state', 'open', 'message', 'close']) {
    const websocket = new WS4Redis({uri: URI, heartbeat_msg: 'beat'});
    websocket.on(event, () => websocket.close());
    world.socket.opens();
    if (world.socket.readyState === 1) {
      world.socket.receives('hello');
    }
    world.socket.ends(1001);
    assert.deepEqual([websocket.state, world.timers.size], ['closed', 0], event);
  }
});
