/*
 * WS4Redis: a websocket that comes back. A classic script without dependencies; it defines one global.
 *
 *     const websocket = new WS4Redis({
 *       uri: 'wss://example.org/ws/news?subscribe-broadcast',
 *       receive_message: (data) => { ... },
 *     });
 *
 * Options, all but uri optional; callbacks are called as methods of the options:
 *     uri                    where to connect
 *     connecting()           an attempt to connect begins, the first one included
 *     connected(event)       the websocket is open
 *     disconnected(event)    it is closed, or an attempt failed; event is a CloseEvent
 *     receive_message(data)  a message: a string, or a Blob if it is binary
 *     heartbeat_msg          the server's WS4REDIS_HEARTBEAT; null or left out: no heartbeat
 *
 * Methods:
 *     send_message(message)  send it; throws an Error unless the websocket is open
 *     close()                close for good
 *     get_state()            WebSocket.CONNECTING, OPEN, CLOSING or CLOSED (between two attempts: CLOSED)
 *     is_connecting(), is_connected(), is_closing(), is_closed()
 *
 * `new` may be left out. The second argument, once jQuery, is accepted and unused.
 */
function WS4Redis(options, $) {
  'use strict';

  if (!(this instanceof WS4Redis)) {
    return new WS4Redis(options, $);
  }
  if (!options || !options.uri) {
    throw new Error('WS4Redis: the option uri is missing');
  }

  // RFC 6455, 7.4.1. The server withdraws rights with 1008: asking again would not bring them back.
  const ABNORMAL_CLOSURE = 1006;
  const POLICY_VIOLATION = 1008;

  // The server's heartbeat comes every 4 s: after three intervals without any message nobody is there.
  const HEARTBEAT_INTERVAL = 5000;
  const MAX_MISSED_HEARTBEATS = 3;

  // Full jitter: when a server comes back, its browsers do not come back all at once.
  const FIRST_DELAY = 2000;
  const LONGEST_DELAY = 30000;

  let socket = null;
  let reconnectTimer = null;
  let heartbeatTimer = null;
  let missedHeartbeats = 0;
  let failures = 0;
  let finished = false;

  // The last thing that a handler does: a callback may throw, and it may call close().
  function notify(callback, argument) {
    if (typeof options[callback] === 'function') {
      options[callback](argument);
    }
  }

  function connect() {
    reconnectTimer = null;
    socket = new WebSocket(options.uri);
    socket.onopen = onOpen;
    socket.onmessage = onMessage;
    socket.onclose = onClose;
    notify('connecting');
  }

  function reconnectLater() {
    const delay = Math.random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);
    failures += 1;
    reconnectTimer = setTimeout(connect, delay);
  }

  function onOpen(event) {
    // close() may have been called when this event was already on its way.
    if (finished) {
      return;
    }
    failures = 0;
    startHeartbeat();
    notify('connected', event);
  }

  function onMessage(event) {
    missedHeartbeats = 0;
    if (options.heartbeat_msg && event.data === options.heartbeat_msg) {
      answerHeartbeat();
    } else {
      notify('receive_message', event.data);
    }
  }

  function onClose(event) {
    stopHeartbeat();
    socket = null;
    if (event.code === POLICY_VIOLATION) {
      finished = true;
    }
    if (!finished) {
      reconnectLater();
    }
    notify('disconnected', event);
  }

  function startHeartbeat() {
    missedHeartbeats = 0;
    if (options.heartbeat_msg) {
      heartbeatTimer = setInterval(checkHeartbeat, HEARTBEAT_INTERVAL);
    }
  }

  function stopHeartbeat() {
    clearInterval(heartbeatTimer);
    heartbeatTimer = null;
  }

  function answerHeartbeat() {
    if (state() === WebSocket.OPEN) {
      socket.send(options.heartbeat_msg);
    }
  }

  function checkHeartbeat() {
    missedHeartbeats += 1;
    if (missedHeartbeats >= MAX_MISSED_HEARTBEATS) {
      abandonSocket();
    }
  }

  // A browser may wait a minute for the answer of a dead peer to close() before it says so: we do not.
  function abandonSocket() {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    onClose(new CloseEvent('close', {code: ABNORMAL_CLOSURE, reason: 'no heartbeat', wasClean: false}));
  }

  function state() {
    return socket === null ? WebSocket.CLOSED : socket.readyState;
  }

  this.send_message = (message) => {
    if (state() !== WebSocket.OPEN) {
      throw new Error('WS4Redis: the websocket is not open, the message was not sent');
    }
    socket.send(message);
  };

  this.close = () => {
    finished = true;
    clearTimeout(reconnectTimer);
    reconnectTimer = null;
    stopHeartbeat();
    if (socket !== null) {
      socket.close();
    }
  };

  this.get_state = state;
  this.is_connecting = () => state() === WebSocket.CONNECTING;
  this.is_connected = () => state() === WebSocket.OPEN;
  this.is_closing = () => state() === WebSocket.CLOSING;
  this.is_closed = () => state() === WebSocket.CLOSED;

  connect();
}
