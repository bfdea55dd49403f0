/*
 * WS4Redis: a websocket that comes back. No dependency.
 *
 * Two files, one source: ws4redis.esm.js is the ES module and exports the class WS4Redis; ws4redis.js is the classic script,
 * made from it by docs/make_script.py, and defines the global WS4Redis, for which `new` may be left out.
 *
 *     const orders = WS4Redis.subscribe('orders', {subscribe: ['user', 'broadcast']});
 *     orders.on('message', (data) => { ... });
 *
 *     const orders = new WS4Redis({uri: 'wss://example.org/ws/orders?subscribe-user', receive_message: (data) => { ... }});
 *
 * Making one:
 *     new WS4Redis(options)               connects at once to options.uri
 *     WS4Redis.subscribe(facility, options)
 *                                         the same, with the uri made of that of {% websocket_config %}, the facility, and the
 *                                         options subscribe and publish (arrays, or text as 'user,broadcast') and echo
 *     WS4Redis.config(id = 'ws4redis')    what {% websocket_config %} has written: uri and heartbeat_msg
 *
 * Options; callbacks are called as methods of the options:
 *     uri                    where to connect; for subscribe() the address below which the facilities are
 *     connecting()           an attempt to connect begins, the first one included
 *     connected(event)       the websocket is open
 *     disconnected(event)    it is closed, or an attempt failed; event is a CloseEvent
 *     receive_message(data)  a message: a string, or an ArrayBuffer if it is binary
 *     heartbeat_msg          the server's WS4REDIS_HEARTBEAT; null or left out: no heartbeat
 *     queue                  how many messages may wait while the websocket is not open; left out: none, send() throws
 *     first_delay            milliseconds, the longest wait before the first new attempt (2000)
 *     longest_delay          milliseconds, the longest wait before any attempt (30000)
 *
 * Methods:
 *     on(event, callback)    call it at every 'message' (data), 'open' (event), 'close' (event) or 'state' (state); gives a
 *                            function that ends this
 *     send(message)          send it; if the websocket is not open it waits in the queue, or an Error is thrown. Nothing is
 *                            sent twice: what the browser had taken when the connection broke may be lost, and 'close' is
 *                            all that tells of it. send_message() is the same
 *     close()                close for good: no timer and no listener is left, what waits in the queue is dropped
 *     state                  'connecting', 'open', 'waiting' (for the next attempt) or 'closed' (for good)
 *     get_state()            WebSocket.CONNECTING, OPEN, CLOSING or CLOSED (between two attempts: CLOSED)
 *     is_connecting(), is_connected(), is_closing(), is_closed()
 *
 * When the connection is lost:
 *     The wait before an attempt is drawn from 0 to a ceiling that doubles with each failure (full jitter): when a server comes
 *     back, its browsers do not come back all at once. A handshake that the server refuses (403, 501, 503) looks like any other
 *     failure from here. A connection that lasted ten seconds sets the ceiling back. When the browser comes online, or the page
 *     becomes visible, the attempt is made at once.
 *     1008 (logout, rights, rate) ends it for good. After 1013 (Redis is away, or this page reads too slowly) the wait is from
 *     half of longest_delay to all of it, and nothing makes it shorter. After any other code it comes back.
 *     With a heartbeat, a connection on which nothing was heard for three intervals is given up. Each heartbeat is answered;
 *     none is sent unasked, for a server with another heartbeat would publish it.
 *
 * A callback that throws stops nothing: the error goes to the console and to window.onerror.
 */

var WS4Redis = (() => {
  'use strict';

  // RFC 6455, 7.4.1, and IANA's registry.
  const ABNORMAL_CLOSURE = 1006;
  const POLICY_VIOLATION = 1008;
  const TRY_AGAIN_LATER = 1013;

  // The server's heartbeat comes every 4 s. Turns of the timer are counted, not seconds: in the background a browser lets timers
  // run once a minute, and while a laptop sleeps it runs none.
  const HEARTBEAT_INTERVAL = 5000;
  const SILENT_INTERVALS = 3;

  // A server that accepts and then closes is in no better state than one that refuses.
  const GOOD_CONNECTION = 10000;

  const CALLBACKS = {connecting: 'connecting', open: 'connected', close: 'disconnected', message: 'receive_message'};
  const EVENTS = ['message', 'open', 'close', 'state'];

  // Old pages hand them over as functions, as in addEventListener('pagehide', websocket.close).
  const BOUND = [
    'on', 'send', 'send_message', 'close', 'get_state', 'is_connecting', 'is_connected', 'is_closing', 'is_closed',
  ];

  function names(verb, value) {
    const asked = value ?? '';
    if (typeof asked !== 'string' && !Array.isArray(asked)) {
      throw new Error(`WS4Redis: ${verb} is ${value}, it takes an array, or text as 'user,broadcast'`);
    }
    return String(asked).split(',').map((name) => name.trim()).filter(Boolean)
      .map((name) => encodeURIComponent(`${verb}-${name}`));
  }

  function address(base, facility, {subscribe, publish, echo}) {
    if (typeof facility !== 'string') {
      throw new Error(`WS4Redis: the facility is ${facility}, no string`);
    }
    if (/[?#]/.test(base)) {
      throw new Error(`WS4Redis: the uri ${base} has more than a path, below which a facility could be`);
    }
    const segments = facility.split('/');
    // Every browser takes them for steps in the path, however they are escaped.
    if (segments.includes('.') || segments.includes('..')) {
      throw new Error(`WS4Redis: the facility ${facility} has a part that no address can have, '.' or '..'`);
    }
    const query = [...names('subscribe', subscribe), ...names('publish', publish), ...(echo ? ['echo'] : [])];
    return base + segments.map(encodeURIComponent).join('/') + (query.length ? `?${query.join('&')}` : '');
  }

  class WS4Redis {
    #options;
    #listeners = [];
    #queue = [];
    #state = 'closed';
    #socket = null;
    #openedAt = null;
    #reconnectTimer = null;
    #heartbeatTimer = null;
    #missedHeartbeats = 0;
    #failures = 0;
    #toldToWait = false;

    static config(id = 'ws4redis') {
      const element = document.getElementById(id);
      if (!element) {
        throw new Error(`WS4Redis: there is no element ${id}; {% websocket_config %} in the template makes it`);
      }
      return JSON.parse(element.textContent);
    }

    static subscribe(facility, options = {}) {
      const merged = {...(options.uri ? {} : WS4Redis.config()), ...options};
      return new this({...merged, uri: address(merged.uri, facility, options)});
    }

    constructor(options) {
      if (!options || !options.uri) {
        throw new Error('WS4Redis: the option uri is missing');
      }
      this.#options = options;
      for (const name of BOUND) {
        this[name] = this[name].bind(this);
      }
      this.#connect();
      globalThis.addEventListener?.('online', this.#hurry);
      globalThis.document?.addEventListener('visibilitychange', this.#hurry);
    }

    on(event, callback) {
      if (!EVENTS.includes(event) || typeof callback !== 'function') {
        throw new Error(`WS4Redis: on() takes one of ${EVENTS.join(', ')} and a function`);
      }
      const listener = {event, callback};
      this.#listeners.push(listener);
      return () => {
        this.#listeners = this.#listeners.filter((other) => other !== listener);
      };
    }

    send(message) {
      const most = this.#options.queue || 0;
      if (this.is_connected()) {
        this.#socket.send(message);
      } else if (this.#state === 'closed' || most === 0) {
        throw new Error('WS4Redis: the websocket is not open, the message was not sent');
      } else if (this.#queue.length >= most) {
        throw new Error(`WS4Redis: ${most} messages wait already, this one was not sent`);
      } else {
        this.#queue.push(message);
      }
    }

    send_message(message) {
      this.send(message);
    }

    close() {
      this.#finish();
    }

    get state() {
      return this.#state;
    }

    get_state() {
      return this.#socket ? this.#socket.readyState : WebSocket.CLOSED;
    }

    is_connecting() {
      return this.get_state() === WebSocket.CONNECTING;
    }

    is_connected() {
      return this.get_state() === WebSocket.OPEN;
    }

    is_closing() {
      return this.get_state() === WebSocket.CLOSING;
    }

    is_closed() {
      return this.get_state() === WebSocket.CLOSED;
    }

    #connect = () => {
      const socket = new WebSocket(this.#options.uri);
      socket.binaryType = 'arraybuffer';
      socket.onopen = (event) => this.#opened(event);
      socket.onmessage = (event) => this.#received(event.data);
      socket.onclose = (event) => this.#closed(event);
      this.#socket = socket;
      this.#reconnectTimer = null;
      this.#enter('connecting');
      this.#tell('connecting');
    };

    #opened(event) {
      // close() may have been called when this event was already on its way.
      if (this.#state === 'closed') {
        return;
      }
      this.#openedAt = performance.now();
      this.#watch(0);
      while (this.#queue.length && this.is_connected()) {
        this.#socket.send(this.#queue.shift());
      }
      this.#enter('open');
      this.#tell('open', event);
    }

    #received(data) {
      const heartbeat = this.#options.heartbeat_msg;
      this.#missedHeartbeats = 0;
      if (!heartbeat || data !== heartbeat) {
        this.#tell('message', data);
      } else if (this.is_connected()) {
        this.#socket.send(heartbeat);
      }
    }

    #closed(event) {
      clearInterval(this.#heartbeatTimer);
      this.#heartbeatTimer = this.#socket = null;
      if (this.#openedAt !== null && performance.now() - this.#openedAt >= GOOD_CONNECTION) {
        this.#failures = 0;
      }
      this.#openedAt = null;
      if (event.code === POLICY_VIOLATION) {
        this.#finish();
      } else if (this.#state !== 'closed') {
        this.#wait(event.code === TRY_AGAIN_LATER);
      }
      this.#tell('close', event);
    }

    #wait(toldTo) {
      const {first_delay = 2000, longest_delay = 30000} = this.#options;
      const ceiling = Math.min(longest_delay, first_delay * 2 ** this.#failures);
      this.#failures += 1;
      this.#toldToWait = toldTo;
      const delay = toldTo ? longest_delay * (1 + Math.random()) / 2 : ceiling * Math.random();
      this.#reconnectTimer = setTimeout(this.#connect, delay);
      this.#enter('waiting');
    }

    #hurry = ({type}) => {
      if (type !== 'online' && document.hidden) {
        return;
      }
      if (this.#state === 'waiting' && !this.#toldToWait) {
        clearTimeout(this.#reconnectTimer);
        this.#connect();
      } else if (this.#heartbeatTimer !== null) {
        // It may have died meanwhile: two intervals from now on, in each of which a heartbeat is due.
        this.#watch(SILENT_INTERVALS - 1);
      }
    };

    #watch(missed) {
      clearInterval(this.#heartbeatTimer);
      this.#missedHeartbeats = missed;
      this.#heartbeatTimer = this.#options.heartbeat_msg ? setInterval(this.#checkHeartbeat, HEARTBEAT_INTERVAL) : null;
    }

    #checkHeartbeat = () => {
      this.#missedHeartbeats += 1;
      // The first turn may have come right after a message.
      if (this.#missedHeartbeats > SILENT_INTERVALS) {
        this.#abandon();
      }
    };

    // A browser may wait a minute for the answer of a dead peer to close() before it says so: we do not.
    #abandon() {
      const socket = this.#socket;
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      this.#closed(new CloseEvent('close', {code: ABNORMAL_CLOSURE, reason: 'no heartbeat', wasClean: false}));
    }

    #finish() {
      clearTimeout(this.#reconnectTimer);
      clearInterval(this.#heartbeatTimer);
      this.#reconnectTimer = this.#heartbeatTimer = null;
      globalThis.removeEventListener?.('online', this.#hurry);
      globalThis.document?.removeEventListener('visibilitychange', this.#hurry);
      this.#queue = [];
      this.#socket?.close();
      this.#enter('closed');
    }

    #enter(state) {
      if (this.#state !== state) {
        this.#state = state;
        this.#tell('state', state);
      }
    }

    #tell(event, argument) {
      const called = this.#listeners.filter((listener) => listener.event === event).map(({callback}) => callback);
      if (typeof this.#options[CALLBACKS[event]] === 'function') {
        called.unshift((value) => this.#options[CALLBACKS[event]](value));
      }
      for (const callback of called) {
        try {
          callback(argument);
        } catch (error) {
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    }
  }

  // Pages written for release 0.6.0 may leave `new` out, which a class alone does not allow.
  return new Proxy(WS4Redis, {apply: (target, self, [options]) => new target(options)});
})();
