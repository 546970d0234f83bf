/**
 * The React example of the orders and those of docs/javascript.rst on one page, in strict mode; a
 * test says by `show({...})` which of them are there.
 */

import { StrictMode, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";

import {
  AerostackProvider,
  useAerostack,
  useChannel,
  useHistory,
  usePresence,
  useSharedState,
  useSubscription,
} from "aerostack-rt/react";

import { Orders, Room } from "./hooks.tsx";
import { LiveFeed } from "./LiveFeed.jsx";

window.opened = 0;

class CountedWebSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    window.opened += 1;
  }
}

const { baseUrl } = Object.fromEntries(new URLSearchParams(location.search));
/** What is asked of a topic that is slow is answered when the test says so. */
const slow = new Promise((resolve) => (window.answerSlowly = resolve));
const fetch = async (url, init) => {
  const response = await window.fetch(url, init);
  if (url.includes("slow")) await slow;
  return response;
};

const options = { WebSocket: CountedWebSocket, fetch };

/** Shows the test the client of the provider. */
function Spy() {
  window.realtime = useAerostack().realtime;
}

function Cursor({ topic, line }) {
  usePresence(topic, { line });
}

function Some({ status }) {
  const options = { snapshot: true, filter: { status }, order: [["id", "desc"]], limit: 2 };
  const { rows, error } = useChannel("orders", null, options);
  return <p>{error?.code ?? rows.map(({ id }) => id).join(" ")}</p>;
}

function Board() {
  const { values, isReady, set, remove, update, error } = useSharedState("state/board");
  window.board = { set, remove, update };
  const shown = [...values].map(([key, data]) => `${key}${data}`).join(" ");
  return <p>{error?.code ?? (isReady ? shown : "loading")}</p>;
}

function Late() {
  const { rows, error, retry } = useChannel("late", null, { snapshot: true });
  window.retry = retry;
  return <p>{error?.code ?? rows.map(({ id }) => id).join(" ")}</p>;
}

function Last() {
  const { data, error, loading } = useSubscription("orders", { event: "INSERT" });
  return <p>{error?.message ?? (loading ? "loading" : JSON.stringify(data?.data))}</p>;
}

window.greeted = [];

function Greeter() {
  const { publish } = useChannel("chat/greeter");
  useEffect(() => {
    const settled = publish("message", { text: "hello" }, { persist: true });
    settled.then(
      () => greeted.push("kept"),
      ({ code }) => greeted.push(code),
    );
  }, [publish]);
}

function Past() {
  window.past = useHistory("chat/past", { limit: 10 });
  window.first ??= past.loading;
  return <p>{past.messages.map(({ data }) => data).join(" ")}</p>;
}

function Page() {
  const [shown, setShown] = useState({ provider: true, feed: true, greeter: true });
  window.show = (change) => flushSync(() => setShown((before) => ({ ...before, ...change })));
  if (!shown.provider) return <p>nothing</p>;
  return (
    <AerostackProvider
      baseUrl={baseUrl}
      projectId="p"
      userId="ann"
      token={shown.token}
      options={options}
    >
      <Spy />
      <div id="feed">{shown.feed && <LiveFeed />}</div>
      <div id="orders">{shown.orders && <Orders />}</div>
      <div id="open">{shown.open && <Some status="open" />}</div>
      <div id="paid">{shown.open && <Some status="paid" />}</div>
      {shown.cursor && <Cursor topic={shown.cursor[0]} line={shown.cursor[1]} />}
      {shown.greeter && <Greeter />}
      <div id="past">{shown.past && <Past />}</div>
      <div id="board">{shown.board && <Board />}</div>
      <div id="late">{shown.late && <Late />}</div>
      <div id="last">{shown.last && <Last />}</div>
      <div id="room">{shown.room && <Room name={shown.room} />}</div>
    </AerostackProvider>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Page />
  </StrictMode>,
);
