// What a page has, for both files of the client: a clock that a test moves, websockets whose far end is the test, and no network.
//
// The client is loaded as a browser would load it: the classic file as a script, the other as a module.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';

// WS4REDIS_STATIC names another directory with the two files, in which a fault has been put.
const place = process.env.WS4REDIS_STATIC
  ? pathToFileURL(`${process.env.WS4REDIS_STATIC}/`)
  : new URL('../../ws4redis/static/js/', import.meta.url);

export function source(name) {
  return readFileSync(new URL(name, place), 'utf8');
}

/** The address of a module with this text. */
export function addressOf(text) {
  return `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
}

const FORMS = {
  async script() {
    vm.runInThisContext(source('ws4redis.js'), {filename: 'ws4redis.js'});
    return globalThis.WS4Redis;
  },
  async module() {
    const loaded = await import(addressOf(source('ws4redis.esm.js')));
    assert.deepEqual(Object.keys(loaded), ['WS4Redis']);
    return loaded.WS4Redis;
  },
};

/** One test for each form; the body gets the class and a world of its own. */
export function testBoth(name, body) {
  for (const form of Object.keys(FORMS)) {
    testForm(form, name, body);
  }
}

export function testForm(form, name, body) {
  test(`${name} (${form})`, () => inWorld(form, body));
}

export async function inWorld(form, body) {
  const world = new World();
  try {
    await body(await FORMS[form](), world);
    assert.deepEqual(world.errors, [], 'an error was reported that the test did not take');
  } finally {
    world.restore();
  }
}

class CloseEvent {
  constructor(type, {code = 0, reason = '', wasClean = false} = {}) {
    Object.assign(this, {type, code, reason, wasClean});
  }
}

class World {
  now = 0;
  chance = 0.5;
  sockets = [];
  errors = [];
  timers = new Map();
  listeners = [];
  elements = {};
  #numbers = 0;
  #kept = [];

  constructor() {
    const world = this;
    this.document = {
      hidden: false,
      getElementById: (id) => world.elements[id] ?? null,
      addEventListener: (type, callback) => world.listeners.push({target: 'document', type, callback}),
      removeEventListener: (type, callback) => world.#forget('document', type, callback),
    };
    const page = {
      document: this.document,
      CloseEvent,
      performance: {now: () => world.now},
      WebSocket: class extends FakeWebSocket {
        constructor(uri) {
          super(uri);
          world.sockets.push(this);
        }
      },
      setTimeout: (callback, delay) => world.#start(callback, delay),
      setInterval: (callback, delay) => world.#start(callback, delay, delay),
      clearTimeout: (number) => world.timers.delete(number),
      clearInterval: (number) => world.timers.delete(number),
      addEventListener: (type, callback) => world.listeners.push({target: 'window', type, callback}),
      removeEventListener: (type, callback) => world.#forget('window', type, callback),
      // What a task throws goes to the console, and to window.onerror.
      queueMicrotask: (task) => {
        try {
          task();
        } catch (error) {
          world.errors.push(error);
        }
      },
    };
    for (const [name, value] of Object.entries(page)) {
      this.#put(globalThis, name, value);
    }
    this.#put(Math, 'random', () => world.chance);
  }

  #put(owner, name, value) {
    this.#kept.push([owner, name, Object.getOwnPropertyDescriptor(owner, name)]);
    Object.defineProperty(owner, name, {value, configurable: true, writable: true});
  }

  restore() {
    for (const [owner, name, descriptor] of this.#kept) {
      if (descriptor) {
        Object.defineProperty(owner, name, descriptor);
      } else {
        delete owner[name];
      }
    }
  }

  #start(callback, delay, every = null) {
    assert.ok(delay >= 0, `a timer of ${delay} ms`);
    this.#numbers += 1;
    this.timers.set(this.#numbers, {callback, at: this.now + delay, every});
    return this.#numbers;
  }

  #forget(target, type, callback) {
    this.listeners = this.listeners.filter((one) => one.target !== target || one.type !== type || one.callback !== callback);
  }

  /** The latest websocket. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** Milliseconds until the next timer; there has to be one. */
  get delay() {
    assert.notEqual(this.timers.size, 0, 'no timer runs');
    return Math.min(...[...this.timers.values()].map(({at}) => at)) - this.now;
  }

  /** Let time pass, and run what is due. */
  advance(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      const [due] = [...this.timers].filter(([, timer]) => timer.at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (due === undefined) {
        break;
      }
      const [number, timer] = due;
      this.now = timer.at;
      if (timer.every === null) {
        this.timers.delete(number);
      } else {
        timer.at += timer.every;
      }
      timer.callback();
    }
    this.now = end;
  }

  fire(type) {
    const target = type === 'visibilitychange' ? 'document' : 'window';
    for (const listener of this.listeners.filter((one) => one.target === target && one.type === type)) {
      listener.callback({type});
    }
  }

  goesOnline() {
    this.fire('online');
  }

  hides() {
    this.document.hidden = true;
    this.fire('visibilitychange');
  }

  shows() {
    this.document.hidden = false;
    this.fire('visibilitychange');
  }

  /** What {% websocket_config %} writes. */
  writeConfig(config, id = 'ws4redis') {
    this.elements[id] = {textContent: JSON.stringify(config)};
  }

  /** The errors that callbacks have thrown; the test has taken note of them. */
  takeErrors() {
    return this.errors.splice(0).map(({message}) => message);
  }

  /** Connect, open, and let it end with this code, after it was open that long. */
  loses(code, lasted = 0) {
    this.socket.opens();
    this.advance(lasted);
    this.socket.ends(code);
  }
}

/** One end of a websocket; a browser passes over some of what this refuses, and then a message is lost. */
class FakeWebSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;

  binaryType = 'blob';
  readyState = FakeWebSocket.CONNECTING;
  sent = [];
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  constructor(uri) {
    const {protocol, hash} = new URL(uri);
    assert.match(protocol, /^wss?:$/);
    assert.equal(hash, '', 'a websocket has no fragment');
    this.uri = uri;
  }

  send(message) {
    assert.equal(this.readyState, FakeWebSocket.OPEN, 'sent on a websocket that is not open');
    this.sent.push(message);
  }

  close(...given) {
    assert.deepEqual(given, [], 'closed with something that no page has meant');
    if (this.readyState < FakeWebSocket.CLOSING) {
      this.readyState = FakeWebSocket.CLOSING;
    }
  }

  // The far end

  opens() {
    assert.equal(this.readyState, FakeWebSocket.CONNECTING);
    this.readyState = FakeWebSocket.OPEN;
    this.onopen?.({type: 'open'});
  }

  receives(data) {
    assert.equal(this.readyState, FakeWebSocket.OPEN);
    const given = typeof data === 'string' ? data : this.binaryType === 'arraybuffer' ? data.buffer : new Blob([data]);
    this.onmessage?.({type: 'message', data: given});
  }

  ends(code = 1006) {
    assert.notEqual(this.readyState, FakeWebSocket.CLOSED);
    this.readyState = FakeWebSocket.CLOSED;
    this.onclose?.(new CloseEvent('close', {code, wasClean: code !== 1006}));
  }
}
