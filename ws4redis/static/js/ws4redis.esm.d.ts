/** Types of ws4redis.esm.js, whose first lines say more. */

/** What send() takes. */
export type Message = Parameters<WebSocket['send']>[0];

/** 'waiting' is for the next attempt, 'closed' is for good. */
export type State = 'connecting' | 'open' | 'waiting' | 'closed';

/** What on() hands to its callback, by event. */
export interface Events {
  message: string | ArrayBuffer;
  open: Event;
  close: CloseEvent;
  state: State;
}

/** What {% websocket_config %} writes. */
export interface Config {
  uri: string;
  heartbeat_msg: string | null;
}

export interface Callbacks {
  /** An attempt to connect begins, the first one included. */
  connecting?(): void;
  /** The websocket is open. */
  connected?(event: Event): void;
  /** It is closed, or an attempt failed. */
  disconnected?(event: CloseEvent): void;
  /** A message: an ArrayBuffer if it is binary. */
  receive_message?(data: string | ArrayBuffer): void;
}

export interface ConnectionOptions extends Callbacks {
  /** The server's WS4REDIS_HEARTBEAT; null or left out: no heartbeat. */
  heartbeat_msg?: string | null;
  /** How many messages may wait while the websocket is not open; left out: none, send() throws. */
  queue?: number;
  /** Milliseconds, the longest wait before the first new attempt (2000). */
  first_delay?: number;
  /** Milliseconds, the longest wait before any attempt (30000). */
  longest_delay?: number;
}

export interface Options extends ConnectionOptions {
  /** Where to connect. */
  uri: string;
}

export interface SubscribeOptions extends ConnectionOptions {
  /** The address below which the facilities are; left out: that of {% websocket_config %}. */
  uri?: string;
  /** Audiences to listen to: ['user', 'broadcast'] or 'user,broadcast'. */
  subscribe?: readonly string[] | string;
  /** Audiences to publish to. */
  publish?: readonly string[] | string;
  /** Whether it gets back what it sends itself. */
  echo?: boolean;
}

/** A websocket that comes back. */
export class WS4Redis {
  /** Connects at once. The second argument, once jQuery, is unused. */
  constructor(options: Options, $?: unknown);

  /** What {% websocket_config %} has written into the page. */
  static config(id?: string): Config;
  /** A websocket of this facility. */
  static subscribe(facility: string, options?: SubscribeOptions): WS4Redis;

  readonly state: State;
  /** Calls the callback at every such event; gives a function that ends this. */
  on<Name extends keyof Events>(event: Name, callback: (argument: Events[Name]) => void): () => void;
  /** Throws an Error if the websocket is not open and the queue takes nothing. */
  send(message: Message): void;
  /** As send(). */
  send_message(message: Message): void;
  /** Closes for good. */
  close(): void;
  /** WebSocket.CONNECTING, OPEN, CLOSING or CLOSED. */
  get_state(): number;
  is_connecting(): boolean;
  is_connected(): boolean;
  is_closing(): boolean;
  is_closed(): boolean;
}
