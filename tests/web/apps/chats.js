// Chats with the daemon by the AI SDK's own classes: node apps/chats.js BASE_URL KEY http|ws MODEL_URL
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport, WebSocketChatTransport } from "ai";
import WebSocket from "ws";

const [base, key, by, model] = process.argv.slice(2);
const api = `${base}/api/ai/chat`;
const headers = { Authorization: `Bearer ${key}` };
const results = {};

// One socket for all chats.
const socket = by === "ws" && new WebSocketChatTransport({
    url: api, protocols: [`aerostack-key.${key}`, "aerostack-v1"], webSocket: WebSocket,
});

function open(id, messages = []) {
    const errors = [];
    const chat = new Chat({
        id,
        messages,
        transport: socket || new DefaultChatTransport({ api, headers }),
        onError: (error) => errors.push(error.message),
    });
    return Object.assign(chat, { errors });
}

// Lets the model say the rest.
const release = () => fetch(`${model}/release`, { method: "POST" });

const text = (chat) =>
    (chat.lastMessage?.parts ?? []).filter((part) => part.type === "text").map((part) => part.text).join("");

async function until(holds) {
    while (!holds()) {
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

function show(chat) {
    const { id, role, parts } = chat.lastMessage;
    return { id, role, text: text(chat), kinds: parts.map((part) => part.type), status: chat.status, errors: chat.errors };
}

// One tab asks; another comes in the middle, and a third one after three refreshes.
const first = open("c1");
const sending = first.sendMessage({ text: "Hello" });
await until(() => text(first).startsWith("one"));
const question = first.messages.slice(0, 1);
const second = open("c1", question);
const resuming = second.resumeStream();
const third = open("c1", question);
for (let times = 0; times < 3; times += 1) {
    const refreshed = open("c1", question);
    const half = refreshed.resumeStream();
    await until(() => text(refreshed).startsWith("one"));
    await refreshed.stop();
    await half;
}
const ending = third.resumeStream();
await until(() => text(third).startsWith("one"));
await release();
await Promise.all([sending, resuming, ending]);
results.first = show(first);
results.second = show(second);
results.third = { ...show(third), count: third.messages.length };

// Nothing runs any more.
const late = open("c1", first.messages);
await late.resumeStream();
results.late = { count: late.messages.length, status: late.status, errors: late.errors };

// A stop of this tab ends the answer for this tab only.
const leaving = open("c2");
const left = leaving.sendMessage({ text: "Hello" });
await until(() => text(leaving).startsWith("one"));
await leaving.stop();
await left;
const staying = open("c2", leaving.messages.slice(0, 1));
const stays = staying.resumeStream();
await until(() => text(staying).startsWith("one"));
await release();
await stays;
results.staying = show(staying);

// Stopped from elsewhere.
const stopped = open("c3");
const stopping = stopped.sendMessage({ text: "Hello" });
await until(() => text(stopped).startsWith("one"));
const answer = await fetch(`${api}/c3/stop`, { method: "POST", headers });
results.stop = { status: answer.status, body: await answer.json() };
await stopping;
results.stopped = show(stopped);
const again = await fetch(`${api}/c3/stop`, { method: "POST", headers });
results.again = again.status;

// A second request on a busy chat, and the same one sent again.
const busy = open("c4");
const asking = busy.sendMessage({ text: "Hello" });
await until(() => text(busy).startsWith("one"));
const other = open("c4");
await other.sendMessage({ text: "Something else" });
results.other = other.errors;
const body = JSON.stringify({ id: "c4", messages: busy.messages.slice(0, 1), trigger: "submit-message" });
const retried = await fetch(api, { method: "POST", headers, body });
await release();
results.retried = { status: retried.status, same: (await retried.text()).includes(busy.lastMessage.id) };
await asking;

// A tool that the page runs: the answer goes on in the same message.
const tools = open("c5");
await tools.sendMessage({ text: "Weather?" });
const call = tools.lastMessage.parts.find((part) => part.type === "tool-weather");
results.call = { state: call.state, input: call.input, id: tools.lastMessage.id };
await tools.addToolOutput({ tool: "weather", toolCallId: call.toolCallId, output: "sunny" });
await tools.sendMessage();
results.tools = { ...show(tools), count: tools.messages.length };

// The model breaks off, or refuses.
const broken = open("c6");
await broken.sendMessage({ text: "Hello" });
results.broken = show(broken);
const regenerated = broken.regenerate();
await regenerated;
results.regenerated = show(broken);
if (socket) {
    socket.close();
}
console.log(JSON.stringify(results));
