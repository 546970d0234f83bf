/**
 * The client of aerostack-rt, for browsers and for Node.js 20 and later.
 */

/** Where the connection is in its life. */
export type RealtimeStatus = "idle" | "connecting" | "connected" | "reconnecting" | "disconnected";

/** What one can listen to: a row's fate, an event by its name, a change of presence, or all. */
export type RealtimeEvent =
  | "INSERT"
  | "UPDATE"
  | "DELETE"
  | "presence:sync"
  | "presence:join"
  | "presence:update"
  | "presence:leave"
  | "*"
  | (string & {});

/** A value that a filter compares a column with. */
export type FilterValue = string | number | boolean | null;

/** What a callback gets. */
export interface RealtimePayload<T = any> {
  type: "db_change" | "event" | "chat_message";
  /** The topic by its whole name, such as `table/orders/my-project`. */
  topic: string;
  /** What happened to the row, for a change of a table. */
  operation?: "INSERT" | "UPDATE" | "DELETE";
  /** The event's name, for everything else. */
  event?: string;
  /** The new row (for `DELETE` the row that went), or what was published. */
  data: T;
  /** The row as it was before; `UPDATE` and `DELETE` have it. */
  old?: T;
  /** Who published it, if the daemon knows. */
  userId?: string;
  /** Milliseconds since the Unix epoch. */
  timestamp: number;
  /** Where in the topic's log this stands. */
  pos?: string;
  /** Whether an `UPDATE` moved the row into the filter or out of it. */
  moved?: boolean;
  /** The transaction that changed the row, where the database tells. */
  tx?: string;
  /** Whether this is a transaction's last change of the table. */
  commit?: boolean;
  /** Columns that were too large to be told. */
  omitted?: string[];
  [field: string]: any;
}

export type RealtimeCallback<T = any> = (payload: RealtimePayload<T>) => unknown;

/** A message that was kept. */
export interface HistoryMessage<T = any> {
  id: string;
  room_id: string;
  user_id: string | null;
  event: string;
  data: T;
  /** Milliseconds since the Unix epoch; no two messages of a topic share it. */
  created_at: number;
}

/** Somebody who is present on a topic: one connection, so two tabs are two members. */
export interface PresenceMember<S = Record<string, any>> {
  userId: string | null;
  connectionId: string;
  state: S;
  /** Since when, in milliseconds since the Unix epoch. */
  since: number;
}

export interface RealtimePresence<S = Record<string, any>> {
  /**
   * Everybody who is present, by `connectionId`; kept up to date while subscribed, empty before
   * and after. After a reconnect it shows those of before until all of the new ones are known.
   */
  readonly members: ReadonlyMap<string, PresenceMember<S>>;
  /** Have a callback called after every change; returns a function that ends that. */
  onChange(callback: (members: ReadonlyMap<string, PresenceMember<S>>) => unknown): () => void;
}

/** Something was missed and will not come any more. */
export interface RealtimeGap {
  topic: string;
  /**
   * `expired`: too long ago. `limit`: too much. `unknown`: the topic, or what the daemon knows
   * of it, is another one. `table_lost`: the table was dropped or rebuilt. `back`: it is there
   * again. `altered`: its columns were changed, and with them rows that no change tells of.
   */
  reason:
    | "expired"
    | "limit"
    | "unknown"
    | "table_lost"
    | "back"
    | "altered"
    | (string & {});
  /** Whether `rows` are loaded anew by themselves; otherwise reload what you show. */
  reloads: boolean;
}

/** Something that went wrong. */
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
    },
  );
  /** One of the daemon's error codes, or one of the client's own; stays the same. */
  readonly code: string;
  /** After how many milliseconds it may be tried again. */
  readonly retryAfter?: number;
  /** The topic that it is about. */
  readonly topic?: string;
  /** The publication that it is about. */
  readonly id?: string | number;
  /** The WebSocket's close code. */
  readonly closeCode?: number;
}

export interface RealtimeStatusDetail {
  /** Why there is no connection. */
  error?: RealtimeError;
  /** After how many milliseconds the next attempt is made. */
  delay?: number;
}

export interface RealtimeSubscriptionOptions<T = any> {
  /** Only rows whose columns have these values, or pass these conditions. */
  filter?: Record<string, FilterValue | Record<string, unknown>>;
  /** Get the table's rows first: see `rows`. */
  snapshot?: boolean;
  /** In which order the snapshot's rows come. */
  order?: (string | [column: string, direction: "asc" | "desc"])[];
  /** How many rows the snapshot has at most. */
  limit?: number;
  /** What tells rows apart: a column, several, or a function of a row. `id` if it is missing. */
  key?: string | string[] | ((row: T) => unknown);
}

export interface RealtimeChannelOptions<T = any> extends RealtimeSubscriptionOptions<T> {
  /**
   * `channel()` gives the same channel for the same topic again, until it is unsubscribed, or
   * nothing holds it any more. With `false` it gives one of its own, which ends without ending
   * others of that topic.
   */
  shared?: boolean;
}

export interface RealtimePublishOptions {
  /** Keep it in the topic's history; it is acknowledged once it is committed. */
  persist?: boolean;
}

/** What an application holds of a topic; it comes from `client.channel()`. */
export class RealtimeSubscription<T = any> {
  private constructor();
  /** The topic by its whole name. */
  readonly topic: string;
  /** Whether `subscribe()` was called. */
  readonly isSubscribed: boolean;
  /** What the daemon says to that. After `refused` it is tried again on the next connection. */
  readonly state: "idle" | "subscribing" | "subscribed" | "refused";
  /** Why it was refused, or has to be tried again. */
  readonly error: RealtimeError | null;
  /** Whether the table's changes are being read; see `onFeedChange`. */
  readonly feed: "up" | "down";
  /** After a reconnect: whether what was missed came, and whether only what was kept of it. */
  readonly recovery: { recovered: boolean; keptOnly: boolean } | null;
  readonly presence: RealtimePresence;
  /** With `snapshot`: the table's rows as they are now. A new array after every change. */
  readonly rows: readonly T[];

  /** Call a function for each event of a name, or operation on a row; `*` for all. */
  on<D = T>(event: RealtimeEvent, callback: RealtimeCallback<D>): this;
  /** Call it no more. */
  off<D = T>(event: RealtimeEvent, callback: RealtimeCallback<D>): this;
  onStateChange(callback: (state: RealtimeSubscription["state"]) => unknown): () => void;
  /** Be told when something was missed that does not come any more. */
  onGap(callback: (gap: RealtimeGap) => unknown): () => void;
  /** Be told when the daemon cannot read the table's changes, and when it can again. */
  onFeedChange(callback: (feed: "up" | "down", message?: string) => unknown): () => void;
  /** Be told of every change of `rows`. */
  onRows(callback: (rows: readonly T[]) => unknown): () => void;

  /** Begin; connects if nothing else has. Throws where others have the topic otherwise. */
  subscribe(): this;
  /** End, and forget all callbacks. */
  unsubscribe(): void;
  /**
   * Publish an event to all subscribers. The promise is fulfilled when the daemon has
   * acknowledged it, also when that takes another connection.
   */
  publish(event: string, data?: unknown, options?: RealtimePublishOptions): Promise<void>;
  /**
   * Be present on the topic with this state, until `untrack()` or the end. Throws where the state
   * cannot be JSON.
   */
  track(state: Record<string, any>): void;
  untrack(): void;
  /** What was kept, newest first; for the next page pass the oldest `created_at` of this one. */
  getHistory(limit?: number, before?: number): Promise<HistoryMessage[]>;
}

/** What can be said of a WebSocket's constructor, whichever it is. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => unknown;

export interface RealtimeClientOptions {
  /** The daemon's address, such as `https://rt.example.com`; in a browser that of the page. */
  baseUrl?: string;
  /** The same as `baseUrl`. */
  serverUrl?: string;
  projectId: string;
  apiKey?: string;
  /** A JWT. */
  token?: string;
  /** Who one is, where the project lets anonymous users in. */
  userId?: string;
  /** How many attempts to come back are made before giving up. Never, if it is missing. */
  maxReconnectAttempts?: number;
  /** Bounds of the backoff, in milliseconds: 1000 for the first attempt, never above 30000. */
  reconnectDelay?: number;
  maxReconnectDelay?: number;
  /** How long opening a connection may take, in milliseconds: 10000. */
  connectTimeout?: number;
  /** After how many silent milliseconds the daemon is asked whether it is there: 25000. */
  pingInterval?: number;
  /** How long it may take to answer that: 10000. */
  pongTimeout?: number;
  /** How many publications may wait to be acknowledged; further ones are refused: 1000. */
  maxQueue?: number;
  /** The same as `client.onError()`. */
  onError?: (error: RealtimeError) => unknown;
  /** The same as `client.onTokenExpired()`. */
  onTokenExpired?: (
    error: RealtimeError,
  ) => string | null | undefined | void | Promise<string | null | undefined | void>;
  /** A WebSocket to use instead of the global one. */
  WebSocket?: WebSocketConstructor;
  /** What to use instead of the global `fetch`. */
  fetch?: (
    url: string,
    init: { headers: Record<string, string>; signal: AbortSignal },
  ) => Promise<Response>;
}

/** A connection to a daemon, and everything that an application does over it. */
export class RealtimeClient {
  constructor(options: RealtimeClientOptions);
  readonly status: RealtimeStatus;
  readonly connected: boolean;
  readonly projectId: string;

  /** Connect, and stay connected. The promise tells of the first attempt only. */
  connect(): Promise<void>;
  /** Close the connection, and connect no more. Publications that wait are rejected. */
  disconnect(): void;
  /** Go on under another token, on the present connection and on later ones. */
  setToken(token: string | null | undefined): void;

  onStatusChange(
    callback: (status: RealtimeStatus, detail: RealtimeStatusDetail) => unknown,
  ): () => void;
  /** Be told when it was given up; `connect()` begins again. */
  onMaxRetriesExceeded(callback: () => unknown): () => void;
  /** Be told what goes wrong. Where nobody listens, it goes to the console. */
  onError(callback: (error: RealtimeError) => unknown): () => void;
  /** Be asked for a new token: return it, or call `setToken()`. */
  onTokenExpired(callback: NonNullable<RealtimeClientOptions["onTokenExpired"]>): () => void;

  /**
   * The channel of a topic: `orders` for a table's changes, anything with a slash for one of
   * your own.
   */
  channel<T = any>(topic: string, options?: RealtimeChannelOptions<T>): RealtimeSubscription<T>;
  /** `channel("chat/" + roomId)`. */
  chatRoom<T = any>(roomId: string): RealtimeSubscription<T>;
  /** Say something in a chat room. The promise is fulfilled once it is kept. */
  sendChat(roomId: string, text: string, metadata?: Record<string, any>): Promise<void>;
}
