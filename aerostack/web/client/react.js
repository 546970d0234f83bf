"use client";

/**
 * React hooks for the client of aerostack-rt.
 *
 *     <AerostackProvider baseUrl="http://127.0.0.1:8787" projectId="local">
 *       <App />
 *     </AerostackProvider>
 *
 * Every hook has a channel of its own, so that a component can end without ending the channels of
 * others. `react.d.ts` describes what each hook takes and gives.
 */

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";

import { RealtimeClient } from "./realtime.js";

const Context = createContext(null);
const NONE = Object.freeze([]);
const ignore = () => {};

/** The value of the last rendering, for callbacks that are made once. */
function useLatest(value) {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}

/** A value that stays the same object while its JSON is the same. */
function useStable(value) {
  const text = JSON.stringify(value);
  return useMemo(() => value, [text]);
}

export function AerostackProvider(props) {
  const { children, client, baseUrl, projectId, apiKey, token, userId, options } = props;
  const { onError, onTokenExpired } = props;
  // A connection keeps its user. When the user signs out, the component has no token any more, and
  // makes a new client.
  const isKnown = Boolean(token);
  const [user, setUser] = useState({ isKnown, departures: 0 });
  if (user.isKnown !== isKnown) {
    setUser({ isKnown, departures: user.departures + (isKnown ? 0 : 1) });
  }
  // A new client opens nothing, so React may throw one away.
  const realtime = useMemo(
    () => client ?? new RealtimeClient({ ...options, baseUrl, projectId, apiKey, token, userId }),
    [client, baseUrl, projectId, apiKey, userId, user.departures],
  );
  useEffect(() => {
    if (token !== undefined) realtime.setToken(token);
  }, [realtime, token]);
  useEffect(() => (onError ? realtime.onError(onError) : undefined), [realtime, onError]);
  useEffect(
    () => (onTokenExpired ? realtime.onTokenExpired(onTokenExpired) : undefined),
    [realtime, onTokenExpired],
  );
  const shown = useRef(null);
  useEffect(() => {
    // An application that brings its own client connects it itself.
    if (client) return undefined;
    shown.current = realtime;
    realtime.connect();
    return () => {
      shown.current = null;
      // Strict mode unmounts the components and mounts them again in the same turn. They may have
      // published in between.
      queueMicrotask(() => {
        if (shown.current !== realtime) realtime.disconnect();
      });
    };
  }, [realtime, client]);
  const value = useMemo(
    () => ({ realtime, sdk: { realtime }, projectId: realtime.projectId }),
    [realtime],
  );
  return createElement(Context.Provider, { value }, children);
}

export function useAerostack() {
  const value = useContext(Context);
  if (value === null) {
    throw new Error("There is no <AerostackProvider> around this component.");
  }
  return value;
}

export function useRealtimeStatus() {
  const { realtime } = useAerostack();
  return useSyncExternalStore(
    useCallback((changed) => realtime.onStatusChange(changed), [realtime]),
    () => realtime.status,
    () => "idle",
  );
}

/** Call the handlers for a payload. */
function handle(handlers, payload) {
  if (typeof handlers === "function") {
    handlers(payload);
  } else if (handlers) {
    handlers[payload.operation ?? payload.event]?.(payload);
    handlers["*"]?.(payload);
  }
}

export function useChannel(topic, handlers, options = {}) {
  const { realtime } = useAerostack();
  const { onGap, ...rest } = options;
  const latest = useLatest({ handlers, onGap });
  const wanted = useStable(rest);
  const isHandled = Boolean(handlers);
  const [held, setHeld] = useState({ channel: null, fault: null });
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    if (!topic) return undefined;
    let channel;
    try {
      channel = realtime.channel(topic, { ...wanted, shared: false });
      // Without handlers, other components may still ask for frames from before.
      if (isHandled) channel.on("*", (payload) => handle(latest.current.handlers, payload));
      channel.onGap((gap) => latest.current.onGap?.(gap));
      channel.subscribe();
    } catch (fault) {
      // Another component has subscribed to the topic with other options: this one shows the error.
      setHeld({ channel: null, fault });
      return undefined;
    }
    setHeld({ channel, fault: null });
    return () => {
      channel.untrack();
      channel.unsubscribe();
      setHeld({ channel: null, fault: null });
    };
  }, [realtime, topic, wanted, isHandled, latest, attempt]);

  const { channel, fault } = held;
  const watch = useCallback(
    (changed) => {
      if (channel === null) return ignore;
      const ends = [
        channel.onStateChange(changed),
        channel.onRows(changed),
        channel.onFeedChange(changed),
      ];
      return () => ends.forEach((end) => end());
    },
    [channel],
  );
  const see = (look, without) => [watch, () => (channel ? look(channel) : without), () => without];
  const state = useSyncExternalStore(...see((it) => it.state, "idle"));
  const rows = useSyncExternalStore(...see((it) => it.rows, NONE));
  const feed = useSyncExternalStore(...see((it) => it.feed, "up"));
  const error = useSyncExternalStore(...see((it) => it.error, null));
  const publish = useCallback(
    (event, data, how) => realtime.channel(topic, { shared: false }).publish(event, data, how),
    [realtime, topic],
  );
  const retry = useCallback(() => {
    if (channel?.isSubscribed) channel.subscribe();
    else setAttempt((before) => before + 1);
  }, [channel]);
  return { channel, state, rows, feed, error: error ?? fault, publish, retry };
}

export function usePresence(topic, state) {
  const { channel, error, retry } = useChannel(topic);
  const mine = useStable(state);
  const [members, setMembers] = useState(NONE);

  useEffect(() => {
    if (channel === null) return undefined;
    const show = () => setMembers([...channel.presence.members.values()]);
    show();
    const end = channel.presence.onChange(show);
    return () => {
      end();
      setMembers(NONE);
    };
  }, [channel]);

  useEffect(() => {
    // In the same rendering the component may have changed to another topic.
    if (!channel?.isSubscribed) return;
    if (mine) channel.track(mine);
    else channel.untrack();
  }, [channel, mine]);

  return { members, error, retry };
}

export function useAnswer(topic) {
  const { channel, error, retry } = useChannel(topic);
  const watch = useCallback((changed) => channel?.answers.onChange(changed) ?? ignore, [channel]);
  const answer = useSyncExternalStore(
    watch,
    () => channel?.answers.newest ?? null,
    () => null,
  );
  const cancel = useCallback(async () => answer?.cancel(), [answer]);
  const { text = "", parts = NONE, state = "idle" } = answer ?? {};
  return { answer, text, parts, state, cancel, error, retry };
}

const EMPTY = new Map();

export function useSharedState(topic) {
  const { realtime } = useAerostack();
  const { channel, error, retry } = useChannel(topic);
  const watch = useCallback(
    (changed) => channel?.sharedState.onChange(changed) ?? ignore,
    [channel],
  );
  const see = (look, without) => [
    watch,
    () => (channel ? look(channel.sharedState) : without),
    () => without,
  ];
  const values = useSyncExternalStore(...see((it) => it.values, EMPTY));
  const isReady = useSyncExternalStore(...see((it) => it.isReady, false));
  const actions = useMemo(() => {
    const shared = () => (channel ?? realtime.channel(topic, { shared: false })).sharedState;
    return {
      set: (key, data, how) => shared().set(key, data, how),
      remove: (key, how) => shared().delete(key, how),
      update: (key, change, how) => shared().update(key, change, how),
    };
  }, [channel, realtime, topic]);
  return { values, isReady, error, retry, ...actions };
}

const NOTHING_YET = { messages: NONE, loading: false, hasMore: true, error: null };

export function useHistory(topic, { limit = 50 } = {}) {
  const { realtime } = useAerostack();
  // The effect below loads at once.
  const [held, setHeld] = useState({ ...NOTHING_YET, loading: Boolean(topic) });
  // The pages of the present topic. A reload, or another topic, begins with a new object.
  const present = useRef(null);

  const load = useCallback(
    async (mine) => {
      if (!topic || mine === null || mine.loading) return;
      mine.loading = true;
      setHeld((now) => ({ ...now, loading: true }));
      let error = null;
      try {
        const before = mine.messages.at(-1)?.created_at;
        const channel = realtime.channel(topic, { shared: false });
        const page = await channel.getHistory(limit, before);
        mine.messages = [...mine.messages, ...page];
        // The daemon may give fewer messages than asked for; it gives none only at the end.
        mine.hasMore = page.length > 0;
      } catch (cause) {
        error = cause;
      }
      mine.loading = false;
      if (present.current !== mine) return;
      setHeld((now) => ({ ...(error ? now : mine), loading: false, error }));
    },
    [realtime, topic, limit],
  );
  const begin = useCallback(() => {
    present.current = { messages: NONE, loading: false, hasMore: true };
    return load(present.current);
  }, [load]);

  useEffect(() => {
    setHeld(NOTHING_YET);
    begin();
    return () => {
      present.current = null;
    };
  }, [begin]);

  const loadMore = useCallback(() => load(present.current), [load]);
  return { ...held, loadMore, reload: begin };
}

export function useSubscription(topic, { event = "*", ...options } = {}) {
  const [data, setData] = useState(null);
  const { state, error, retry } = useChannel(topic, { [event]: setData }, options);
  return { data, error, retry, loading: state === "subscribing" || (state === "idle" && !error) };
}
