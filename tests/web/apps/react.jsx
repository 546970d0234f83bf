/**
 * The React example of the orders and those of docs/javascript.rst on one page, in strict mode; a
 * test says by `show({...})` which of them are there.
 */

import { StrictMode, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";

import {
  AerostackProvider,
  useChannel,
  useHistory,
  usePresence,
  useSubscription,
} from "aerostack-rt/react";

import { Orders, Room } from "./hooks.tsx";
import { LiveFeed } from "./LiveFeed.tsx";

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

function Cursor({ topic, line }) {
  usePresence(topic, { line });
}

function Open() {
  const { error } = useChannel("orders", null, { filter: { status: "open" } });
  return <p>{error?.code}</p>;
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
  return <p>{past.messages.map(({ data }) => data).join(" ")}</p>;
}

function Page() {
  const [shown, setShown] = useState({ provider: true, feed: true, greeter: true });
  window.show = (change) => flushSync(() => setShown((before) => ({ ...before, ...change })));
  if (!shown.provider) return <p>nothing</p>;
  return (
    <AerostackProvider baseUrl={baseUrl} projectId="p" userId="ann" options={options}>
      <div id="feed">{shown.feed && <LiveFeed />}</div>
      <div id="orders">{shown.orders && <Orders />}</div>
      <div id="open">{shown.open && <Open />}</div>
      {shown.cursor && <Cursor topic={shown.cursor[0]} line={shown.cursor[1]} />}
      {shown.greeter && <Greeter />}
      <div id="past">{shown.past && <Past />}</div>
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
