/** A page with the AI SDK's hook, in strict mode: ?api=URL&chat=ID&key=KEY&by=http|ws&resume=1 */

import { StrictMode, useMemo } from "react";
import { createRoot } from "react-dom/client";
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, WebSocketChatTransport } from "ai";

const { api, chat: id, key, by, resume } = Object.fromEntries(new URLSearchParams(location.search));
const headers = { Authorization: `Bearer ${key}` };

function Chat() {
  const transport = useMemo(
    () =>
      by === "ws"
        ? new WebSocketChatTransport({ url: api, protocols: [`aerostack-key.${key}`, "aerostack-v1"] })
        : new DefaultChatTransport({ api, headers }),
    [],
  );
  const { messages, sendMessage, status, error } = useChat({ id, transport, resume: Boolean(resume) });
  window.ask = (text) => void sendMessage({ text });
  window.stop_ = () => fetch(`${api}/${id}/stop`, { method: "POST", headers }).then((response) => response.status);
  return (
    <>
      <p id="status">{status}</p>
      <p id="error">{error?.message}</p>
      {messages.map((message) => (
        <p key={message.id} className={message.role}>
          {message.parts.map((part) => (part.type === "text" ? part.text : "")).join("")}
        </p>
      ))}
    </>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);
