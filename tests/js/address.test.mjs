// Where it connects: subscribe(), and what {% websocket_config %} has written.

import assert from 'node:assert/strict';

import { testBoth } from './world.mjs';

const CONFIG = {uri: 'wss://example.org/ws/', heartbeat_msg: '--heartbeat--'};

testBoth('subscribe() takes address and heartbeat from the page', (WS4Redis, world) => {
  world.writeConfig(CONFIG);
  const websocket = WS4Redis.subscribe('orders', {subscribe: ['user', 'broadcast'], publish: ['user'], echo: true});
  assert.ok(websocket instanceof WS4Redis);
  assert.equal(world.socket.uri, 'wss://example.org/ws/orders?subscribe-user&subscribe-broadcast&publish-user&echo');
  world.socket.opens();
  world.socket.receives('--heartbeat--');
  assert.deepEqual(world.socket.sent, ['--heartbeat--']);
});

for (const [given, query] of [
  [{}, ''],
  [{echo: false}, ''],
  [{echo: true}, '?echo'],
  [{subscribe: 'user'}, '?subscribe-user'],
  [{subscribe: 'user, broadcast'}, '?subscribe-user&subscribe-broadcast'],
  [{subscribe: [], publish: ''}, ''],
  [{publish: ['group']}, '?publish-group'],
  [{subscribe: null, publish: undefined}, ''],
  [{subscribe: ['a&b=c#d']}, '?subscribe-a%26b%3Dc%23d'],
]) {
  testBoth(`subscribe() asks for ${JSON.stringify(given)}`, (WS4Redis, world) => {
    world.writeConfig(CONFIG);
    WS4Redis.subscribe('orders', given);
    assert.equal(world.socket.uri, `wss://example.org/ws/orders${query}`);
  });
}

for (const facility of ['orders', '', 'a/b/c', '/a//b/', 'gr\u00fcn haus', 'what?', '#1', '100%', 'a%2Fb', 'a:b', '\u{1f375}', 'a\\b', ' a ', '...', 'a&b=c', "it's", 'line\nend']) {
  testBoth(`the facility ${JSON.stringify(facility)} arrives as it is`, (WS4Redis, world) => {
    world.writeConfig(CONFIG);
    WS4Redis.subscribe(facility, {subscribe: 'user'});
    // What a browser makes of the address, and the server of its path.
    const {pathname, search} = new URL(world.socket.uri);
    assert.equal(decodeURIComponent(pathname), `/ws/${facility}`);
    assert.equal(search, '?subscribe-user');
  });
}

testBoth('slashes stay slashes: some proxies refuse escaped ones', (WS4Redis, world) => {
  WS4Redis.subscribe('a/b c/', {uri: 'ws://example.org/ws/'});
  assert.equal(world.socket.uri, 'ws://example.org/ws/a/b%20c/');
});

for (const facility of ['.', '..', 'a/../b', './a', 'a/.']) {
  testBoth(`the facility ${facility} has no address`, (WS4Redis, world) => {
    world.writeConfig(CONFIG);
    assert.throws(() => WS4Redis.subscribe(facility), /that no address can have/);
    assert.equal(world.sockets.length, 0);
  });
}

testBoth('a facility that was forgotten is no facility', (WS4Redis, world) => {
  world.writeConfig(CONFIG);
  assert.throws(() => WS4Redis.subscribe(), /the facility is undefined, no string/);
  assert.throws(() => WS4Redis.subscribe({subscribe: 'user'}), /no string/);
});

for (const [asked, shown] of [[true, 'true'], [5, '5'], [{user: 1}, /\[object Object\]/.source], [new Set(['user']), /\[object Set\]/.source]]) {
  testBoth(`audiences that are ${shown} are refused`, (WS4Redis, world) => {
    world.writeConfig(CONFIG);
    for (const verb of ['subscribe', 'publish']) {
      assert.throws(() => WS4Redis.subscribe('orders', {[verb]: asked}), new RegExp(`${verb} is ${shown}, it takes an array`));
    }
    assert.equal(world.sockets.length, 0);
  });
}

testBoth('an address with a query is none below which a facility could be', (WS4Redis, world) => {
  for (const uri of ['ws://example.org/ws/orders?subscribe-user', 'ws://example.org/ws/#']) {
    assert.throws(() => WS4Redis.subscribe('orders', {uri}), /has more than a path/);
  }
  assert.equal(world.sockets.length, 0);
});

testBoth('options of the page count more than what is written in it', (WS4Redis, world) => {
  world.writeConfig(CONFIG);
  WS4Redis.subscribe('orders', {heartbeat_msg: null});
  world.socket.opens();
  assert.equal(world.timers.size, 0);
});

testBoth('with a uri the page need not say anything', (WS4Redis, world) => {
  WS4Redis.subscribe('orders', {uri: 'ws://localhost:8000/live/', subscribe: 'broadcast'});
  assert.equal(world.socket.uri, 'ws://localhost:8000/live/orders?subscribe-broadcast');
});

testBoth('the other options go on to the websocket', (WS4Redis, world) => {
  world.writeConfig(CONFIG);
  const heard = [];
  const websocket = WS4Redis.subscribe('orders', {queue: 1, receive_message: (data) => heard.push(data)});
  websocket.send('waits');
  world.socket.opens();
  world.socket.receives('hello');
  assert.deepEqual([heard, world.socket.sent], [['hello'], ['waits']]);
});

testBoth('config() gives what the page says, in the names of the options', (WS4Redis, world) => {
  world.writeConfig(CONFIG);
  world.writeConfig({uri: 'ws://other/ws/', heartbeat_msg: null}, 'other');
  assert.deepEqual(WS4Redis.config(), CONFIG);
  assert.deepEqual(WS4Redis.config('other'), {uri: 'ws://other/ws/', heartbeat_msg: null});
  new WS4Redis({...WS4Redis.config(), uri: 'wss://example.org/ws/orders'});
  assert.equal(world.socket.uri, 'wss://example.org/ws/orders');
});

testBoth('a page without it is told what it lacks', (WS4Redis) => {
  assert.throws(() => WS4Redis.subscribe('orders'), /no element ws4redis; {% websocket_config %} in the template makes it/);
  assert.throws(() => WS4Redis.config('other'), /no element other/);
});
