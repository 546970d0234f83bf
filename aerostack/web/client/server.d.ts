/**
 * The SDK for servers, for Node.js 18 and later. It uses the project's secret key, which must never
 * come into a browser.
 */

import { RealtimeError } from "./realtime.js";
import type { DataOf, EventName, EventsOf, HistoryMessage, RealtimeAnswerPart } from "./realtime.js";

export { RealtimeError };

declare global {
  interface SymbolConstructor {
    /** What `await using` calls, for compilers that are set to an older library. */
    readonly asyncDispose: unique symbol;
  }
}

export interface ServerSDKOptions {
  /** The daemon, such as `https://rt.example.com`. */
  baseUrl: string;
  /** The project's secret key. */
  secretKey: string;
  /** The project. The key names it; a call fails if this is another one. */
  projectId?: string;
  /**
   * How many milliseconds a call may take in all, with its repetitions. By default 3000 for events,
   * 35000 for a query, which is more than the daemon's limit, 30000 for `sdk.ai`, and 10000 for any
   * other.
   */
  timeout?: number;
  /**
   * Called with the error of each call that fails. Without it, a call that fails while the program
   * does not wait for it ends Node.js.
   */
  onError?: (error: RealtimeError) => unknown;
  /** A function to use instead of the global `fetch`. */
  fetch?: (
    url: string,
    init: {
      method?: string;
      headers: Record<string, string>;
      body?: string;
      signal?: AbortSignal;
    },
  ) => Promise<Response>;
}

export interface EmitOptions {
  /** Keep it in the topic's history. */
  persist?: boolean;
  /** The user whom the event names as its sender. */
  userId?: string;
  /** With `persist`: the `created_at` (ms) up to which it replaces the kept messages of the topic. */
  replaces?: number;
  /** On a keyed topic: the key whose value the data become. The data `null` remove the value. */
  key?: string;
  /** Emit only if the key's value has this position. Else the promise is rejected with `stale`. */
  ifPos?: string;
  /** Emit only if the key has no value. Else the promise is rejected with `stale`. */
  ifNew?: boolean;
}

export interface Emitted {
  success: true;
  /** With `persist`: the id of the kept message. */
  id?: string;
  /** With `persist`: its time, in milliseconds since the Unix epoch. */
  created_at?: number;
}

/** One event of `emitAll`. */
export interface EmittedEvent extends EmitOptions {
  event: string;
  data: unknown;
  topic: string;
}

/** What an event of `emitAll` must be, by the events of its topic in `RealtimeTopics`. */
export type CheckedEvent<T> = T extends {
  topic: infer N extends string;
  event: infer K extends string;
}
  ? { topic: N; event: K & EventName<EventsOf<N>>; data: DataOf<EventsOf<N>, K> } & EmitOptions
  : EmittedEvent;

export interface EmittedAll {
  /** Whether all were sent. */
  success: boolean;
  /** What became of each, in the order of the events. */
  results: (Emitted | EmitRefused)[];
}

export interface EmitRefused {
  success: false;
  /** The code of the error. */
  error: string;
  message: string;
  /** After how many milliseconds the event may be sent again. */
  retryAfter?: number;
  [detail: string]: unknown;
}

/**
 * A value for a `?` of a statement. Bytes are a `Uint8Array`, such as a `Buffer`. A list is an array on
 * PostgreSQL, as in `id = ANY(?)`, and its JSON on SQLite, as in `json_each(?)`.
 */
export type QueryParameter = string | number | boolean | null | Date | Uint8Array | object;

export interface QueryResult<R = any> {
  /** The rows. A blob is `{ base64: "..." }`. */
  results: R[];
  success: true;
  meta: {
    changes: number;
    last_row_id: number | null;
    /** Milliseconds. */
    duration: number;
  };
}

export interface Removed {
  success: true;
  /** How many connections were closed. */
  connections: number;
  /** How many of them on each node. */
  nodes: Record<string, number>;
  /** The nodes that did not confirm. */
  unconfirmed: string[];
}

/** What the SDK says of a stream at its beginning. */
export interface StreamOptions {
  /** Its id; without one the SDK makes an id. */
  stream?: string;
  /** A name of this producer. With the same name as before it may go on with its stream. */
  producer?: string;
  /** The user for whom it is. */
  owner?: string;
  /** Which clients may cancel it; by default the owner. */
  cancel?: "owner" | "publishers" | "nobody";
  /** After how many milliseconds without a sign of the producer the daemon ends it; by default 30000. */
  lease?: number;
  /** Whether the history keeps it when it ends; by default it does. */
  persist?: boolean;
  /** Clients get this with its beginning. */
  meta?: Record<string, unknown>;
  /** Whether to take it over from another producer that is still there. */
  takeover?: boolean;
}

/** How a stream is: it runs, or how it has ended. */
export type StreamState = "streaming" | "done" | "failed" | "cancelled" | "aborted" | "unknown";

/** The stream takes nothing more: a user has cancelled it, or it has ended in another way. */
export class StreamEnded extends RealtimeError {
  /** `streaming` if another producer goes on. */
  readonly state: StreamState;
  /** The user who cancelled it, if the daemon says so. */
  readonly by?: string;
}

export interface EndedStream {
  stream: string;
  state: StreamState;
  /** Whether the history has it. */
  kept?: boolean;
}

/** A stream that runs, or that has ended. */
export interface ReadStream {
  stream: string;
  /** The topic by its whole name. */
  topic: string;
  state: StreamState;
  /** The text of all parts that are text. */
  text: string;
  parts: RealtimeAnswerPart[];
  [field: string]: any;
}

/**
 * A stream of a topic, while a server writes it.
 *
 * What is written goes out every 40 milliseconds. The promise of `write`, `reason`, `tool` and `data`
 * resolves at once, or as soon as at most a million characters wait for the daemon. It is rejected
 * with `StreamEnded` if the stream takes nothing more, and with another `RealtimeError` if the daemon
 * could not be reached for as long as a call may take.
 */
export interface TokenStream {
  /** The id of the stream. */
  readonly id: string;
  /**
   * Aborted when a user cancels the stream, or when the stream takes nothing more for another reason.
   * Its `reason` is the error. Pass the signal to the model. The SDK learns of a cancel from the
   * daemon's answer to the next text, or within a third of the lease.
   */
  readonly signal: AbortSignal;
  /** Add text. */
  write(text: string, options?: StreamWriteOptions & { kind?: "text" | "reasoning" | "tool" }): Promise<void>;
  /** Add to the reasoning, which is no part of the answer's text. */
  reason(text: string, options?: StreamWriteOptions): Promise<void>;
  /**
   * Show clients that the model calls a tool: first with `input`, the whole arguments of the call;
   * later with `output` or `error`, too.
   */
  tool(
    call: string,
    name: string,
    value?: { input?: unknown; output?: unknown; error?: unknown },
  ): Promise<void>;
  /** Attach a value, instead of the one that had this id. */
  data(id: string, name: string, value: unknown): Promise<void>;
  /**
   * Write a UI message stream of the AI SDK, such as `streamText(...).toUIMessageStream()`, and end the
   * stream: as done if the SDK says that the answer is finished, else as failed. The promise is rejected
   * with `StreamEnded` as soon as the stream takes nothing more, and what was read is let go of.
   */
  pipe(chunks: ReadableStream<{ type: string }> | AsyncIterable<{ type: string }>): Promise<EndedStream>;
  /** Send the rest, and end it. `usage` says what the answer has used, such as numbers of tokens. */
  end(usage?: Record<string, unknown>): Promise<EndedStream>;
  /** Send the rest, and end it as failed. Clients get the reason, at most 1000 characters. */
  fail(error: string): Promise<EndedStream>;
  /** End it as failed if it has not ended. The promise is never rejected. `await using` calls it. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface StreamWriteOptions {
  /** The id of the part that grows. */
  part?: string;
  /** Take back first what was written of the part behind this place, in UTF-16 code units. */
  reset?: number;
}

export interface Health {
  status: "ok" | "failing";
  /** The status of each part: `ok`, or a sentence that says what is wrong. */
  checks: Record<string, string>;
  /** What to look at although nothing fails, a sentence for each part. */
  notices?: Record<string, string>;
  /** How each daemon is, if there are several. */
  nodes?: Record<string, string>;
  [field: string]: any;
}

export interface Explanation {
  /** Whether publications reach the user, in a sentence. */
  verdict: string;
  findings: { code: string; severity: string; message: string; [detail: string]: any }[];
  [field: string]: any;
}

/** What servers do. Every promise is rejected with a `RealtimeError` if its call fails. */
export class ServerSDK {
  constructor(options: ServerSDKOptions);

  readonly socket: {
    /** Send an event to all subscribers of a topic. */
    emit<N extends string, K extends EventName<EventsOf<N>>>(
      event: K,
      data: DataOf<EventsOf<N>, K>,
      topic: N,
      options?: EmitOptions,
    ): Promise<Emitted>;
    /** Send at most 100 events with one request, in their order. Each is sent or refused by itself. */
    emitAll<const T extends readonly EmittedEvent[]>(
      events: T & { readonly [I in keyof T]: CheckedEvent<T[I]> },
    ): Promise<EmittedAll>;
  };

  readonly db: {
    /** Run one statement in a transaction of its own, with one value for each `?`. */
    query<R = any>(sql: string, params?: readonly QueryParameter[]): Promise<QueryResult<R>>;
  };

  readonly user: {
    /**
     * Close all connections of a user. The user may come back.
     *
     * `reason` has at most 123 bytes; `code` is the close code, from 4100 to 4999.
     */
    disconnect(userId: string, options?: { reason?: string; code?: number }): Promise<Removed>;
    /**
     * Refuse the tokens of a user that were issued before now, and close the connections that were
     * opened with them.
     *
     * The revocation ends at `until`, milliseconds since the Unix epoch, or after `seconds`. `jti`
     * names the only token to revoke.
     */
    revoke(
      userId: string,
      options: { reason?: string; jti?: string } & ({ until: number } | { seconds: number }),
    ): Promise<Removed & { until: number }>;
  };

  readonly ai: {
    /** Begin a stream. */
    stream(topic: string, options?: StreamOptions): Promise<TokenStream>;
    /** Let the daemon ask a model of its configuration, and stream the answer. */
    relay(
      topic: string,
      request: Record<string, unknown>,
      options?: Pick<StreamOptions, "stream" | "owner" | "cancel" | "persist" | "meta"> & {
        model?: string;
      },
    ): Promise<{ stream: string; topic: string; [field: string]: any }>;
    /** Cancel a stream. When the promise resolves, clients get nothing more of it. */
    cancel(stream: string): Promise<EndedStream>;
    /** Read a stream that runs, or what the history has kept of it. */
    get(stream: string): Promise<ReadStream>;
  };

  /** Ask for the health of the daemon. A daemon that fails answers, too: see `status`. */
  health(): Promise<Health>;

  /** Ask whether publications on a topic reach a user, and why not. */
  explain(userId: string, topic: string): Promise<Explanation>;

  /** Read a page of a topic's history, newest first: the messages before `before` (ms). */
  getHistory<T = any>(topic: string, limit?: number, before?: number): Promise<HistoryMessage<T>[]>;
}
