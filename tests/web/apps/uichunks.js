// Reads one UI message stream a line from the standard input, as the AI SDK reads what a server sends,
// and writes the message that becomes of each.
import { createInterface } from "node:readline";
import { parseJsonEventStream, readUIMessageStream, uiMessageChunkSchema } from "ai";

for await (const line of createInterface({ input: process.stdin })) {
    const bytes = Buffer.from(line, "base64");
    const events = parseJsonEventStream({ stream: new Blob([bytes]).stream(), schema: uiMessageChunkSchema });
    const errors = [];
    const chunks = events.pipeThrough(new TransformStream({
        transform(chunk, controller) {
            if (chunk.success) {
                controller.enqueue(chunk.value);
            } else {
                errors.push(`bad: ${chunk.error.message}`);
            }
        },
    }));
    let message = null;
    for await (const state of readUIMessageStream({ stream: chunks, onError: (error) => errors.push(error.message) })) {
        message = state;
    }
    console.log(JSON.stringify({ message, errors }));
}
