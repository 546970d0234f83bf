/**
 * A Yjs document over a channel of aerostack-rt.
 */

import type { Awareness } from "y-protocols/awareness";
import type { Doc } from "yjs";

import type { RealtimeClient, RealtimeError } from "./realtime.js";

export interface YjsProviderOptions {
  /** The cursors and names of the users: an `Awareness` of y-protocols, which goes over presence. */
  awareness?: Awareness;
  /** Whether this client may replace messages of the document by snapshots: true. */
  compact?: boolean;
  /** How many characters of an update in base64 one message has at most: 131072. */
  partSize?: number;
}

/**
 * Keeps a document and a topic the same, until `destroy()`. One client has one provider for each topic.
 */
export class YjsProvider {
  /**
   * @param topic  A topic of its own, such as `doc/42`. The daemon's configuration should have
   *   `compact = true` for it.
   */
  constructor(client: RealtimeClient, topic: string, doc: Doc, options?: YjsProviderOptions);
  readonly doc: Doc;
  readonly awareness: Awareness | null;
  /** The topic by its whole name. */
  readonly topic: string;
  /** Whether the document has what the daemon had kept when it was opened. */
  readonly isLoaded: boolean;
  /** Resolves when the document is loaded. */
  readonly whenLoaded: Promise<void>;
  /** Whether the daemon has kept all edits of this client. */
  readonly isSaved: boolean;
  /** Why reading or writing failed the last time; `null` after it went well. */
  readonly error: RealtimeError | null;
  /** Call a function after a change of these. Returns a function that takes it back. */
  onChange(callback: (provider: YjsProvider) => unknown): () => void;
  /** Replace the messages of the document by a snapshot now. The provider does it by itself in time. */
  compact(): Promise<void>;
  /** End it. Edits that wait still go out, as long as the client stays connected. */
  destroy(): void;
}
