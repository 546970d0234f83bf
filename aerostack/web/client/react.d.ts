/**
 * React hooks for the client of aerostack-rt.
 */

import type { ReactElement, ReactNode } from "react";
import type {
  HistoryMessage,
  PresenceMember,
  RealtimeCallback,
  RealtimeClient,
  RealtimeClientOptions,
  RealtimeError,
  RealtimeEvent,
  RealtimeGap,
  RealtimePayload,
  RealtimePublishOptions,
  RealtimeStatus,
  RealtimeSubscription,
  RealtimeSubscriptionOptions,
} from "./realtime.js";

export interface AerostackProviderProps {
  children?: ReactNode;
  /** The daemon's address; that of the page, if it is missing. */
  baseUrl?: string;
  /** Needed, unless a `client` is given. */
  projectId?: string;
  apiKey?: string;
  /** A JWT; when it changes, the connection goes on under the new one. */
  token?: string;
  userId?: string;
  /** What else the client takes; read once. */
  options?: Omit<RealtimeClientOptions, "projectId">;
  onError?: RealtimeClientOptions["onError"];
  onTokenExpired?: RealtimeClientOptions["onTokenExpired"];
  /** A client of your own, which you connect and disconnect yourself. */
  client?: RealtimeClient;
}

/** Gives a client to the components in it, connected as long as it is there. */
export function AerostackProvider(props: AerostackProviderProps): ReactElement;

export interface Aerostack {
  realtime: RealtimeClient;
  sdk: { realtime: RealtimeClient };
  projectId: string;
}

/** The client of the provider around the component. */
export function useAerostack(): Aerostack;

/** Where the connection is in its life. */
export function useRealtimeStatus(): RealtimeStatus;

/** One callback for all, or one for each operation or event; they may change at every render. */
export type ChannelHandlers<T = any> =
  | RealtimeCallback<T>
  | { [event in RealtimeEvent]?: RealtimeCallback<T> };

export interface UseChannelOptions<T = any> extends RealtimeSubscriptionOptions<T> {
  key?: string | string[];
  onGap?: (gap: RealtimeGap) => unknown;
}

export interface UseChannel<T = any> {
  /** `null` until the component is shown. */
  channel: RealtimeSubscription<T> | null;
  state: RealtimeSubscription["state"];
  /** With `snapshot`: the table's rows as they are now. */
  rows: readonly T[];
  feed: "up" | "down";
  error: RealtimeError | null;
  publish(event: string, data?: unknown, options?: RealtimePublishOptions): Promise<void>;
}

/** Watch a topic as long as the component is there; none, if it is empty. */
export function useChannel<T = any>(
  topic: string | null | undefined,
  handlers?: ChannelHandlers<T> | null,
  options?: UseChannelOptions<T>,
): UseChannel<T>;

export interface UsePresence<S = Record<string, any>> {
  members: readonly PresenceMember<S>[];
  error: RealtimeError | null;
}

/** Who is present on a topic; with a `state`, oneself as well. */
export function usePresence<S extends Record<string, any> = Record<string, any>>(
  topic: string | null | undefined,
  state?: S | null,
): UsePresence<S>;

export interface UseHistory<T = any> {
  /** Newest first. */
  messages: readonly HistoryMessage<T>[];
  loading: boolean;
  hasMore: boolean;
  error: RealtimeError | null;
  /** Load the page before the oldest message. */
  loadMore(): Promise<void>;
  /** Begin anew. */
  reload(): Promise<void>;
}

/** What was kept of a topic, a page at a time. */
export function useHistory<T = any>(
  topic: string | null | undefined,
  options?: { limit?: number },
): UseHistory<T>;

/** The last that came on a topic. */
export function useSubscription<T = any>(
  topic: string,
  options?: { event?: RealtimeEvent; filter?: RealtimeSubscriptionOptions["filter"] },
): { data: RealtimePayload<T> | null; error: RealtimeError | null; loading: boolean };
