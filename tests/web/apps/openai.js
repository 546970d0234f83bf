// Asks the daemon with OpenAI's own client: node apps/openai.js BASE_URL KEY
import OpenAI, { APIError, InternalServerError, RateLimitError } from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const results = [];

async function ask(options) {
    const stream = await client.chat.completions.create({
        model: "default", messages, stream: true, stream_options: { include_usage: true }, ...options,
    });
    const found = { text: "", reasoning: "", calls: {}, reason: null, usage: null };
    for await (const chunk of stream) {
        found.usage = chunk.usage ?? found.usage;
        for (const { delta, finish_reason } of chunk.choices) {
            found.text += delta.content ?? "";
            found.reasoning += delta.reasoning_content ?? "";
            found.reason = finish_reason ?? found.reason;
            for (const call of delta.tool_calls ?? []) {
                const known = (found.calls[call.index] ??= { id: call.id, name: "", arguments: "" });
                known.name += call.function?.name ?? "";
                known.arguments += call.function?.arguments ?? "";
            }
        }
    }
    return found;
}

// A stream, a tool, the SDK's own collector, and one whole answer.
results.push(await ask({}));
results.push(await ask({ tools: [{ type: "function", function: { name: "weather", parameters: {} } }] }));
const runner = client.chat.completions.stream({ model: "default", messages });
results.push({ text: await runner.finalContent() });
const whole = await client.chat.completions.create({ model: "default", messages });
results.push({ text: whole.choices[0].message.content, usage: whole.usage, id: whole.id, object: whole.object });

// A break in the middle, a refusal before the beginning, and a client that leaves.
let text = "";
try {
    const stream = await client.chat.completions.create({ model: "default", messages, stream: true });
    for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
    }
    results.push({ text, error: null });
} catch (error) {
    results.push({ text, error: error instanceof APIError, message: error.message });
}
try {
    await ask({});
    results.push({ error: null });
} catch (error) {
    results.push({
        error: error instanceof InternalServerError, status: error.status, code: error.code, message: error.message,
    });
}
const left = await client.chat.completions.create({ model: "default", messages, stream: true });
for await (const chunk of left) {
    if (chunk.choices[0]?.delta.content) {
        break;
    }
}
results.push({ limited: RateLimitError.name });
console.log(JSON.stringify(results));
