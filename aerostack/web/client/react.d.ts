/**
 * React hooks for the client of aerostack-rt.
 */

import type { ReactElement, ReactNode } from "react";
import type {
  EventsOf,
  HistoryMessage,
  KnownTopic,
  OtherTopic,
  RealtimeAnswer,
  RealtimeAnswerPart,
  PresenceMember,
  RealtimeCallback,
  RealtimeClient,
  RealtimeClientOptions,
  RealtimeCommonEvent,
  RealtimeError,
  RealtimeEvent,
  RealtimeGap,
  RealtimePayload,
  RealtimeSharedState,
  RealtimeStatus,
  RealtimeSubscription,
  RealtimeSubscriptionOptions,
  RowOf,
} from "./realtime.js";

export interface AerostackProviderProps {
  children?: ReactNode;
  /** The daemon's address. The default is the page's. */
  baseUrl?: string;
  /** Required without a `client`. */
  projectId?: string;
  apiKey?: string;
  /**
   * A JWT. When it changes, the connection uses the new one. When the user signs out and there is no
   * token any more, the provider closes the connection and opens a new one without a token.
   */
  token?: string | null | undefined;
  userId?: string;
  /** Further options of the client. They are read once. */
  options?: Omit<RealtimeClientOptions, "projectId">;
  onError?: RealtimeClientOptions["onError"];
  onTokenExpired?: RealtimeClientOptions["onTokenExpired"];
  /** A client of your own, which you connect and disconnect yourself. */
  client?: RealtimeClient;
}

/** Gives the components in it a client, which is connected while the provider is mounted. */
export function AerostackProvider(props: AerostackProviderProps): ReactElement;

export interface Aerostack {
  realtime: RealtimeClient;
  sdk: { realtime: RealtimeClient };
  projectId: string;
}

/** The client of the provider around the component. */
export function useAerostack(): Aerostack;

/** The status of the connection. */
export function useRealtimeStatus(): RealtimeStatus;

/** One callback for all frames, or one for each operation or event. They may change at every render. */
export type ChannelHandlers<T = any, E = unknown> =
  | RealtimeCallback<T>
  | (unknown extends E
      ? { [event in RealtimeEvent]?: RealtimeCallback<T> }
      : { [K in keyof E]?: RealtimeCallback<E[K]> } & {
          [event in RealtimeCommonEvent]?: RealtimeCallback;
        });

export interface UseChannelOptions<T = any> extends RealtimeSubscriptionOptions<T> {
  key?: string | string[];
  onGap?: (gap: RealtimeGap) => unknown;
}

export interface UseChannel<T = any, E = unknown> {
  /** `null` until the component is mounted. */
  channel: RealtimeSubscription<T, E> | null;
  state: RealtimeSubscription["state"];
  /** With `snapshot`: the present rows of the table. */
  rows: readonly T[];
  feed: "up" | "down";
  error: RealtimeError | null;
  /** Ask again after the daemon has refused the subscription. */
  retry(): void;
  publish: RealtimeSubscription<T, E>["publish"];
}

/** Subscribe to a topic while the component is mounted; to none if the topic is empty. */
export function useChannel<N extends KnownTopic>(
  topic: N | "" | null | undefined,
  handlers?: ChannelHandlers<RowOf<EventsOf<N>>, EventsOf<N>> | null,
  options?: UseChannelOptions<RowOf<EventsOf<N>>>,
): UseChannel<RowOf<EventsOf<N>>, EventsOf<N>>;
export function useChannel<T = any, E = unknown, N extends string = string>(
  topic: OtherTopic<N> | null | undefined,
  handlers?: ChannelHandlers<T, E> | null,
  options?: UseChannelOptions<T>,
): UseChannel<T, E>;

export interface UsePresence<S = Record<string, any>> {
  members: readonly PresenceMember<S>[];
  error: RealtimeError | null;
  /** Ask again after the daemon has refused the subscription. */
  retry(): void;
}

/** The members of a topic. With a `state` the user of this page is a member, too. */
export function usePresence<S extends Record<string, any> = Record<string, any>>(
  topic: string | null | undefined,
  state?: S | null,
): UsePresence<S>;

export interface UseAnswer {
  /** `null` until the first stream of the topic. */
  answer: RealtimeAnswer | null;
  text: string;
  parts: readonly RealtimeAnswerPart[];
  state: RealtimeAnswer["state"] | "idle";
  /** Stop the stream. Nothing happens if there is none. */
  cancel(): Promise<void>;
  error: RealtimeError | null;
  /** Ask again after the daemon has refused the subscription. */
  retry(): void;
}

/** The newest stream of a topic. The component renders at most once a picture while it grows. */
export function useAnswer(topic: string | null | undefined): UseAnswer;

export interface UseSharedState<T = any>
  extends Pick<RealtimeSharedState<T>, "values" | "isReady" | "set" | "update"> {
  /** Remove a value. */
  remove: RealtimeSharedState<T>["delete"];
  error: RealtimeError | null;
  /** Ask again after the daemon has refused the subscription. */
  retry(): void;
}

/** The values of a keyed topic. */
export function useSharedState<T = any>(topic: string | null | undefined): UseSharedState<T>;

export interface UseHistory<T = any> {
  /** Newest first. */
  messages: readonly HistoryMessage<T>[];
  loading: boolean;
  hasMore: boolean;
  error: RealtimeError | null;
  /** Load the page before the oldest message. */
  loadMore(): Promise<void>;
  /** Load again from the newest message. */
  reload(): Promise<void>;
}

/** The history of a topic, page by page. */
export function useHistory<T = any>(
  topic: string | null | undefined,
  options?: { limit?: number },
): UseHistory<T>;

/** The last frame of a topic. */
export function useSubscription<T = any>(
  topic: string,
  options?: { event?: RealtimeEvent; filter?: RealtimeSubscriptionOptions["filter"] },
): {
  data: RealtimePayload<T> | null;
  error: RealtimeError | null;
  loading: boolean;
  /** Ask again after the daemon has refused the subscription. */
  retry(): void;
};
