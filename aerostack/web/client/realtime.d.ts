/**
 * The client of aerostack-rt, for browsers and for Node.js 20 and later.
 */

import type {
  HistoryMessage,
  RealtimeAnswers,
  RealtimeCallback,
  RealtimeGap,
  RealtimePresence,
} from "./payloads.js";

export * from "./payloads.js";

/** The status of the connection. */
export type RealtimeStatus = "idle" | "connecting" | "connected" | "reconnecting" | "disconnected";

/** The operations on the rows of a table. */
export type RealtimeOperation = "INSERT" | "UPDATE" | "DELETE";

/** The events that every topic has, and `*` for all. */
export type RealtimeCommonEvent =
  | "presence:sync"
  | "presence:join"
  | "presence:update"
  | "presence:leave"
  | "*";

/** What a callback is for: an operation on a row, an event by its name, a presence event, or all. */
export type RealtimeEvent = RealtimeOperation | RealtimeCommonEvent | (string & {});

/**
 * The events of your topics: for each topic the data of each event by its name. It is empty until you
 * add to it. Then the compiler finds misspelt events and fields.
 *
 *     declare module "aerostack-rt" {
 *       interface RealtimeTopics {
 *         orders: RealtimeTable<Tables["orders"], { "order:updated": { id: number } }>;
 *         [room: `chat/${string}`]: { message: { text: string } };
 *       }
 *     }
 */
export interface RealtimeTopics {}

/** The events of a table's topic: the changes of its rows, and the events that servers emit on it. */
export type RealtimeTable<R, E extends object = {}> = { [operation in RealtimeOperation]: R } & E;

/** A topic whose events are in `RealtimeTopics`. */
export type KnownTopic = keyof RealtimeTopics & string;

/** A topic whose events are not known. */
export type OtherTopic<N extends string> = N extends KnownTopic ? never : N;

/** The events of a topic; `unknown` if they are not in `RealtimeTopics`. */
export type EventsOf<N extends string> = [N] extends [never]
  ? unknown
  : N extends KnownTopic
    ? RealtimeTopics[N]
    : unknown;

/** The row of a table, by the events of its topic. */
export type RowOf<E> = unknown extends E ? any : E extends { INSERT: infer R } ? R : any;

/** What may be published, by the events of a topic. */
export type EventName<E> = unknown extends E
  ? string
  : Exclude<keyof E & string, RealtimeOperation>;

/** The data of an event, by the events of a topic. */
export type DataOf<E, K> = unknown extends E ? unknown : K extends keyof E ? E[K] : never;

/** A value that a filter compares a column with. */
export type FilterValue = string | number | boolean | null;

/** An error with a code. */
export class RealtimeError extends Error {
  constructor(
    code: string,
    message: string,
    details?: {
      cause?: unknown;
      retryAfter?: number;
      topic?: string;
      id?: string | number;
      closeCode?: number;
      pos?: string | null;
      data?: any;
      kind?: string;
      sqlstate?: string;
    },
  );
  /** One of the daemon's error codes, or one of the client's own. It stays the same in all versions. */
  readonly code: string;
  /** Milliseconds after which another attempt may help. */
  readonly retryAfter?: number;
  /** The topic that it is about. */
  readonly topic?: string;
  /** The publication that it is about. */
  readonly id?: string | number;
  /** The WebSocket's close code. */
  readonly closeCode?: number;
  /**
   * With `stale`: the position of the key's value; `null` if it has none. Missing if the client may
   * not subscribe to the topic.
   */
  readonly pos?: string | null;
  /** With `stale`: the key's value; missing as `pos`. */
  readonly data?: any;
  /**
   * With an error of `db.query`: what the database refused, such as `unique_violation`, the same for
   * every database.
   */
  readonly kind?: string;
  /** With `kind`: PostgreSQL's code, if PostgreSQL gave one. */
  readonly sqlstate?: string;
}

export interface RealtimeStatusDetail {
  /** Why there is no connection. */
  error?: RealtimeError;
  /** Milliseconds until the next attempt. */
  delay?: number;
}

export interface RealtimeSubscriptionOptions<T = any> {
  /** Only rows whose columns have these values, or meet these conditions. */
  filter?: Record<string, FilterValue | Record<string, unknown>>;
  /** Get the present rows of the table first: see `rows`. */
  snapshot?: boolean;
  /** The order of the snapshot's rows, in which `rows` stay. */
  order?: (string | [column: string, direction: "asc" | "desc"])[];
  /** How many rows the snapshot has at most, and `rows`. */
  limit?: number;
  /**
   * How many of the newest frames of the topic's log come first, oldest first, as if they came now;
   * not for tables. Without it, as many as the daemon's configuration says.
   */
  rewind?: number;
  /** What identifies a row: a column, several, or a function of the row. `id` if it is missing. */
  key?: string | string[] | ((row: T) => unknown);
}

export interface RealtimeChannelOptions<T = any> extends RealtimeSubscriptionOptions<T> {
  /**
   * `channel()` gives the same channel for the same topic, until it is unsubscribed or the
   * application no longer holds it. With `false` it makes a new channel, which ends without ending
   * other channels of the topic.
   */
  shared?: boolean;
}

/** The newest event of a key. */
export interface RealtimeEntry<T = any> {
  readonly data: T;
  /** Its position, for `ifPos`. */
  readonly pos?: string;
  readonly event: string;
  readonly userId?: string;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

export interface RealtimeChangeOptions {
  /** The name of the event that the other clients get: `set`, or `delete` where a value goes. */
  event?: string;
  /** Keep the value over restarts of the daemon. */
  persist?: boolean;
}

export interface RealtimeSetOptions extends RealtimeChangeOptions {
  /** Only if the key's value has this position. Else the promise is rejected with `stale`. */
  ifPos?: string;
  /** Only if the key has no value. Else the promise is rejected with `stale`. */
  ifNew?: boolean;
}

/** The values of a topic for which the daemon's configuration has `keyed`. */
export interface RealtimeSharedState<T = any> {
  /** The newest data by key, while the channel is subscribed. A new map after every change. */
  readonly values: ReadonlyMap<string, T>;
  /** Whether all values are there that the daemon has. */
  readonly isReady: boolean;
  entry(key: string): RealtimeEntry<T> | undefined;
  /** Set a value. The promise resolves when the daemon has acknowledged it. */
  set(key: string, data: T, options?: RealtimeSetOptions): Promise<void>;
  /** Remove a value. */
  delete(key: string, options?: RealtimeSetOptions): Promise<void>;
  /**
   * Set a value that a function computes from the present one. The client calls the function again if
   * another client was faster. The function returns the new value; `null` removes the value,
   * `undefined` leaves it as it is.
   */
  update(
    key: string,
    change: (data: T | undefined) => T | null | undefined,
    options?: RealtimeChangeOptions,
  ): Promise<T | null | undefined>;
  /** Call a function after every change. Returns a function that takes it back. */
  onChange(callback: (values: ReadonlyMap<string, T>) => unknown): () => void;
}

export interface RealtimePublishOptions {
  /** Keep it in the topic's history. The daemon acknowledges it after the commit. */
  persist?: boolean;
  /**
   * With `persist`: the `created_at` of a kept message, in milliseconds. The daemon deletes this
   * message and the older ones of the topic when it keeps the event. The daemon's configuration has to
   * allow it, with `compact`.
   */
  replaces?: number;
  /** On a keyed topic: the key whose value the data become. The data `null` remove the value. */
  key?: string;
  /** Publish only if the key's value has this position. */
  ifPos?: string;
  /** Publish only if the key has no value. */
  ifNew?: boolean;
}

/**
 * A topic, as an application uses it. `client.channel()` makes it. `T` is the row of a table; `E` are
 * the data of the topic's events by their names, if they are known.
 */
export class RealtimeSubscription<T = any, E = unknown> {
  private constructor();
  /** The topic by its whole name. */
  readonly topic: string;
  /** Whether `subscribe()` was called. */
  readonly isSubscribed: boolean;
  /**
   * The state of the subscription. After `refused` the client asks again when `subscribe()` is called,
   * when it gets another token, and on its next connection. For a table that is missing it also asks
   * again by itself, after pauses that grow.
   */
  readonly state: "idle" | "subscribing" | "subscribed" | "refused";
  /** Why the daemon refused the subscription, or why the client has to ask again. */
  readonly error: RealtimeError | null;
  /** Whether the daemon can read the table's changes; see `onFeedChange`. */
  readonly feed: "up" | "down";
  /** After a reconnect: whether the missed frames came, and whether only the kept ones of them. */
  readonly recovery: { recovered: boolean; keptOnly: boolean } | null;
  readonly presence: RealtimePresence;
  /** The streams of the topic, such as the answers of a language model. */
  readonly answers: RealtimeAnswers;
  /** The values of the topic, if it is keyed. */
  readonly sharedState: RealtimeSharedState<T>;
  /** With `snapshot`: the present rows of the table. A new array after every change. */
  readonly rows: readonly T[];

  /** Call a function for each event of a name, or operation on a row; `*` for all. */
  on<K extends keyof E & string>(event: K, callback: RealtimeCallback<E[K]>): this;
  on<D = T>(
    event: unknown extends E ? RealtimeEvent : RealtimeCommonEvent,
    callback: RealtimeCallback<D>,
  ): this;
  /** Take a callback back. */
  off<D = T>(
    event: unknown extends E ? RealtimeEvent : (keyof E & string) | RealtimeCommonEvent,
    callback: RealtimeCallback<D>,
  ): this;
  onStateChange(callback: (state: RealtimeSubscription["state"]) => unknown): () => void;
  /** Call a function when the daemon no longer has something that the client missed. */
  onGap(callback: (gap: RealtimeGap) => unknown): () => void;
  /** Call a function when the daemon cannot read the table's changes, and when it can again. */
  onFeedChange(callback: (feed: "up" | "down", message?: string) => unknown): () => void;
  /** Call a function after every change of `rows`. */
  onRows(callback: (rows: readonly T[]) => unknown): () => void;

  /**
   * Subscribe, and connect if needed. Channels of a table with other options have subscriptions of
   * their own. Throws if another topic is subscribed with other options.
   *
   * After a refusal, ask again.
   */
  subscribe(): this;
  /** Unsubscribe, and take all callbacks back. */
  unsubscribe(): void;
  /**
   * Publish an event to all subscribers. The promise resolves when the daemon has acknowledged it,
   * if need be over a later connection.
   */
  publish<K extends EventName<E>>(
    event: K,
    ...rest: undefined extends DataOf<E, K>
      ? [data?: DataOf<E, K>, options?: RealtimePublishOptions]
      : [data: DataOf<E, K>, options?: RealtimePublishOptions]
  ): Promise<void>;
  /**
   * Be present on the topic with this state, until `untrack()` or the end of the client. Throws if
   * the state cannot be JSON.
   */
  track(state: Record<string, any>): void;
  untrack(): void;
  /** A page of the history, newest first. For the next page pass the oldest `created_at` of this one. */
  getHistory(limit?: number, before?: number): Promise<HistoryMessage[]>;
}

/** A constructor of WebSockets, of whatever library. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => unknown;

/** How the client connects: over a WebSocket, or over server-sent events where none passes. */
export type RealtimeTransport = "websocket" | "sse";

export interface RealtimeClientOptions {
  /** The daemon's address, such as `https://rt.example.com`. In a browser the default is the page's. */
  baseUrl?: string;
  /** The same as `baseUrl`. */
  serverUrl?: string;
  projectId: string;
  apiKey?: string;
  /** A JWT. */
  token?: string;
  /** The id of the user, if the project lets clients without a token in. */
  userId?: string;
  /** After how many failed attempts the client gives up. The default is never. */
  maxReconnectAttempts?: number;
  /** Bounds of the backoff, in milliseconds: 1000 for the first attempt, never above 30000. */
  reconnectDelay?: number;
  maxReconnectDelay?: number;
  /** How long the opening of a connection may take, in milliseconds: 10000. */
  connectTimeout?: number;
  /** After how many milliseconds of silence the client sends a ping: 25000. */
  pingInterval?: number;
  /** In how many milliseconds the daemon must answer the ping: 10000. */
  pongTimeout?: number;
  /** How many publications may wait for an acknowledgement. The client refuses further ones: 1000. */
  maxQueue?: number;
  /** How to connect. With `auto`, the default, server-sent events only where no WebSocket passes. */
  transport?: "auto" | RealtimeTransport;
  /** The same as `client.onError()`. */
  onError?: (error: RealtimeError) => unknown;
  /** The same as `client.onTokenExpired()`. */
  onTokenExpired?: (
    error: RealtimeError,
  ) => string | null | undefined | void | Promise<string | null | undefined | void>;
  /** A WebSocket to use instead of the global one. */
  WebSocket?: WebSocketConstructor;
  /** A function to use instead of the global `fetch`. */
  fetch?: (
    url: string,
    init: {
      method?: string;
      headers: Record<string, string>;
      body?: string;
      keepalive?: boolean;
      signal?: AbortSignal;
    },
  ) => Promise<Response>;
}

/** A connection to a daemon, and everything that an application does over it. */
export class RealtimeClient {
  constructor(options: RealtimeClientOptions);
  readonly status: RealtimeStatus;
  readonly connected: boolean;
  /** How the client is connected, or connects next. */
  readonly transport: RealtimeTransport;
  readonly projectId: string;

  /** Connect, and stay connected. The promise is about the first attempt only. */
  connect(): Promise<void>;
  /** Disconnect, and stay disconnected. Publications that wait are rejected. */
  disconnect(): void;
  /**
   * Use another token, on the present connection and on later ones. `null` is for later connections
   * only: the present one keeps its user until `disconnect()`.
   */
  setToken(token: string | null | undefined): void;

  onStatusChange(
    callback: (status: RealtimeStatus, detail: RealtimeStatusDetail) => unknown,
  ): () => void;
  /** Call a function when the client has connected otherwise than before. */
  onTransportChange(callback: (transport: RealtimeTransport) => unknown): () => void;
  /** Call a function when the client gives up; `connect()` starts it again. */
  onMaxRetriesExceeded(callback: () => unknown): () => void;
  /** Call a function with errors. Without such a function they go to the console. */
  onError(callback: (error: RealtimeError) => unknown): () => void;
  /** Call a function when a new token is needed: return it, or call `setToken()`. */
  onTokenExpired(callback: NonNullable<RealtimeClientOptions["onTokenExpired"]>): () => void;

  /**
   * The channel of a topic: `orders` for the changes of a table, a name with a slash for a topic of
   * your own.
   */
  channel<N extends KnownTopic>(
    topic: N,
    options?: RealtimeChannelOptions<RowOf<EventsOf<N>>>,
  ): RealtimeSubscription<RowOf<EventsOf<N>>, EventsOf<N>>;
  channel<T = any, E = unknown, N extends string = string>(
    topic: OtherTopic<N>,
    options?: RealtimeChannelOptions<T>,
  ): RealtimeSubscription<T, E>;
  /** `channel("chat/" + roomId)`. */
  chatRoom<T = any>(roomId: string): RealtimeSubscription<T, EventsOf<`chat/${string}`>>;
  /** Send a message to a chat room. The promise resolves when the daemon has stored it. */
  sendChat(roomId: string, text: string, metadata?: Record<string, any>): Promise<void>;
}
