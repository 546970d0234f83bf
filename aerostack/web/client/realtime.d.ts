/**
 * The client of aerostack-rt, for browsers and for Node.js 20 and later.
 */

/** The status of the connection. */
export type RealtimeStatus = "idle" | "connecting" | "connected" | "reconnecting" | "disconnected";

/** What a callback is for: an operation on a row, an event by its name, a presence event, or all. */
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

/** The frame that a callback gets. */
export interface RealtimePayload<T = any> {
  type: "db_change" | "event" | "chat_message";
  /** The topic by its whole name, such as `table/orders/my-project`. */
  topic: string;
  /** The operation on the row, for a change of a table. */
  operation?: "INSERT" | "UPDATE" | "DELETE";
  /** The event's name, for all other frames. */
  event?: string;
  /** The new row (for `DELETE` the deleted row), or the published data. */
  data: T;
  /** The row before the change; `UPDATE` and `DELETE` have it. */
  old?: T;
  /** The user who published it, if the daemon knows. */
  userId?: string;
  /** Milliseconds since the Unix epoch. */
  timestamp: number;
  /** The position in the topic's log. */
  pos?: string;
  /** Whether an `UPDATE` moved the row into the filter or out of it. */
  moved?: boolean;
  /** The transaction that changed the row, if the database names it. */
  tx?: string;
  /** Whether this is the last change of the table in its transaction. */
  commit?: boolean;
  /** Columns whose values were too large to send. */
  omitted?: string[];
  [field: string]: any;
}

export type RealtimeCallback<T = any> = (payload: RealtimePayload<T>) => unknown;

/** A message of a topic's history. */
export interface HistoryMessage<T = any> {
  id: string;
  room_id: string;
  user_id: string | null;
  event: string;
  data: T;
  /** Milliseconds since the Unix epoch; no two messages of a topic share it. */
  created_at: number;
  /** The token stream whose end this is. Only the daemon can say so. */
  stream?: string;
  /** How that stream has ended. */
  state?: "done" | "failed" | "cancelled" | "aborted";
}

/** A member of a topic. Each connection is a member, so two tabs are two members. */
export interface PresenceMember<S = Record<string, any>> {
  userId: string | null;
  connectionId: string;
  state: S;
  /** When the member came, in milliseconds since the Unix epoch. */
  since: number;
}

export interface RealtimePresence<S = Record<string, any>> {
  /**
   * The members by `connectionId`. The client keeps them up to date while the channel is subscribed;
   * before and after, there are none. After a reconnect the old members stay until the daemon has
   * sent all new ones.
   */
  readonly members: ReadonlyMap<string, PresenceMember<S>>;
  /** Call a function after every change. Returns a function that takes it back. */
  onChange(callback: (members: ReadonlyMap<string, PresenceMember<S>>) => unknown): () => void;
}

/** A part of an answer: what the model says, thinks, calls or attaches. */
export interface RealtimeAnswerPart {
  readonly id: string;
  readonly kind: "text" | "reasoning" | "tool" | "data";
  /** What it says or thinks; for a tool its arguments, as far as they came. */
  readonly text: string;
  /** The name of the tool, or of the data. */
  readonly name?: string;
  /** The whole arguments of a tool. Call a tool with these only. */
  readonly input?: any;
  /** What the tool gave. */
  readonly output?: any;
  /** Why the tool failed. */
  readonly error?: any;
  /** The data. */
  readonly value?: any;
  readonly [field: string]: any;
}

/** A stream of a topic, as far as it came. Each change makes a new object. */
export interface RealtimeAnswer {
  /** The id of the stream. */
  readonly id: string;
  /** The topic by its whole name. */
  readonly topic: string;
  /** The user whose stream it is, if the publisher named one. */
  readonly owner: string | null;
  readonly meta: Record<string, any>;
  /** The text of all parts that are text. */
  readonly text: string;
  readonly parts: readonly RealtimeAnswerPart[];
  /**
   * `unknown`: it ended while this client was away, and was not kept; or the client is about to
   * read how it has ended.
   */
  readonly state: "streaming" | "done" | "failed" | "cancelled" | "aborted" | "unknown";
  /** Why it was aborted. */
  readonly reason?: string | null;
  /** Why the publisher says that it failed. */
  readonly error?: any;
  readonly usage?: any;
  /** Whether the history has it. */
  readonly kept?: boolean;
  /**
   * What the daemon has measured, once it has ended: the milliseconds until its first text and until
   * its end, how many texts and values came, and how many watched at the end.
   */
  readonly stats?: {
    readonly first: number | null;
    readonly ms: number;
    readonly appends: number;
    readonly watchers: number;
  };
  /** Stop it. The promise resolves when no more of it comes. */
  cancel(): Promise<void>;
  readonly [field: string]: any;
}

export interface RealtimeAnswers {
  /** The streams that came since the channel subscribed, oldest first. A new array after a change. */
  readonly list: readonly RealtimeAnswer[];
  readonly newest: RealtimeAnswer | null;
  /** Call a function after changes, at most once a picture. Returns a function that takes it back. */
  onChange(callback: (answers: readonly RealtimeAnswer[]) => unknown): () => void;
}

/** The daemon no longer has something that the client missed. */
export interface RealtimeGap {
  topic: string;
  /**
   * `expired`: too long ago. `limit`: too much. `unknown`: the daemon does not know the position, for
   * example after a restart. `table_lost`: the table was dropped or rebuilt. `back`: it is there
   * again. `altered`: its columns changed, and with them rows without a change frame. `events`: events
   * that were published on the table's topic may be missing; the rows are whole.
   */
  reason:
    | "expired"
    | "limit"
    | "unknown"
    | "table_lost"
    | "back"
    | "altered"
    | "events"
    | (string & {});
  /** Whether the client loads `rows` again by itself. Otherwise reload what you show. */
  reloads: boolean;
}

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
  /** The order of the snapshot's rows. */
  order?: (string | [column: string, direction: "asc" | "desc"])[];
  /** How many rows the snapshot has at most. */
  limit?: number;
  /** What tells rows apart: a column, several, or a function of a row. `id` if it is missing. */
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

export interface RealtimePublishOptions {
  /** Keep it in the topic's history. The daemon acknowledges it after the commit. */
  persist?: boolean;
}

/** A topic, as an application uses it. `client.channel()` makes it. */
export class RealtimeSubscription<T = any> {
  private constructor();
  /** The topic by its whole name. */
  readonly topic: string;
  /** Whether `subscribe()` was called. */
  readonly isSubscribed: boolean;
  /** The state of the subscription. After `refused` the client tries again on its next connection. */
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
  /** With `snapshot`: the present rows of the table. A new array after every change. */
  readonly rows: readonly T[];

  /** Call a function for each event of a name, or operation on a row; `*` for all. */
  on<D = T>(event: RealtimeEvent, callback: RealtimeCallback<D>): this;
  /** Take a callback back. */
  off<D = T>(event: RealtimeEvent, callback: RealtimeCallback<D>): this;
  onStateChange(callback: (state: RealtimeSubscription["state"]) => unknown): () => void;
  /** Call a function when the daemon no longer has something that the client missed. */
  onGap(callback: (gap: RealtimeGap) => unknown): () => void;
  /** Call a function when the daemon cannot read the table's changes, and when it can again. */
  onFeedChange(callback: (feed: "up" | "down", message?: string) => unknown): () => void;
  /** Call a function after every change of `rows`. */
  onRows(callback: (rows: readonly T[]) => unknown): () => void;

  /** Subscribe, and connect if needed. Throws if the topic is subscribed with other options. */
  subscribe(): this;
  /** Unsubscribe, and take all callbacks back. */
  unsubscribe(): void;
  /**
   * Publish an event to all subscribers. The promise resolves when the daemon has acknowledged it,
   * if need be over a later connection.
   */
  publish(event: string, data?: unknown, options?: RealtimePublishOptions): Promise<void>;
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
    init: { headers: Record<string, string>; signal: AbortSignal },
  ) => Promise<Response>;
}

/** A connection to a daemon, and everything that an application does over it. */
export class RealtimeClient {
  constructor(options: RealtimeClientOptions);
  readonly status: RealtimeStatus;
  readonly connected: boolean;
  readonly projectId: string;

  /** Connect, and stay connected. The promise is about the first attempt only. */
  connect(): Promise<void>;
  /** Disconnect, and stay disconnected. Publications that wait are rejected. */
  disconnect(): void;
  /** Use another token, on the present connection and on later ones. */
  setToken(token: string | null | undefined): void;

  onStatusChange(
    callback: (status: RealtimeStatus, detail: RealtimeStatusDetail) => unknown,
  ): () => void;
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
  channel<T = any>(topic: string, options?: RealtimeChannelOptions<T>): RealtimeSubscription<T>;
  /** `channel("chat/" + roomId)`. */
  chatRoom<T = any>(roomId: string): RealtimeSubscription<T>;
  /** Send a message to a chat room. The promise resolves when the daemon has stored it. */
  sendChat(roomId: string, text: string, metadata?: Record<string, any>): Promise<void>;
}
