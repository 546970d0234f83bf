/**
 * What the client gives to an application: frames, messages, members and token streams.
 */

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
  /** On a keyed topic: the key whose value `data` is now. */
  key?: string;
  /** Whether the value was there before the subscription began. */
  current?: boolean;
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
  /** The view of the table whose frame it is. */
  view?: string;
  /** The token stream that it is a part of. */
  stream?: string;
  /** The part of the stream. */
  part?: string;
  /** How many characters of the part came before. */
  at?: number;
  /** Whether the part begins again. */
  reset?: boolean;
  /** How the stream has ended. */
  state?: string;
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
  /** The key, on a keyed topic. */
  key?: string;
  /** It replaces the messages of the topic up to this `created_at`. */
  replaces?: number;
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
