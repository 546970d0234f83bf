"""
The chunks of a UI message stream, as C{useChat} of the AI SDK reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aerostack.core.answers.growth import DATA, REASONING, TOOL, Grown, Growth, Valued
from aerostack.protocol.codec import encodeValue

HEADER = (b"x-vercel-ai-ui-message-stream", b"v1")
"""The header by which the AI SDK knows such a stream."""

DONE, FAILED, CANCELLED, ABORTED = "done", "failed", "cancelled", "aborted"

Chunk = dict[str, Any]

_UNNAMED = "tool"

# The parts that have a type of their own, and the texts that the SDK wants in each.
_OWN = {
    "source-url": ("url",),
    "source-document": ("mediaType", "title"),
    "file": ("url", "mediaType"),
}

_WORDS = {"length": "length", "content_filter": "content-filter"}


class _Tool:
    """A call of a tool, as far as it was written."""

    def __init__(self) -> None:
        self.name = ""
        # The arguments that came before the name.
        self.waiting: list[str] = []
        self.hasInput = False
        self.isOver = False


class ChunkWriter:
    """
    Turns the growth of an answer's parts into chunks that are valid in this order.

    It makes no difference whether the growth is that of a running answer or what an answer has when
    a client comes late.
    """

    def __init__(self, messageId: str) -> None:
        """
        @param messageId: The id of the message that the client makes of the answer.
        """
        self._messageId = messageId
        # The id under which each part's text goes on, and its kind.
        self._open: dict[str, tuple[str, str]] = {}
        self._opened: dict[str, int] = {}
        self._tools: dict[str, _Tool] = {}
        self._once: set[str] = set()

    def begin(self) -> list[Chunk]:
        """
        Give the first chunks.
        """
        return [{"type": "start", "messageId": self._messageId}, {"type": "start-step"}]

    def write(self, growth: Growth) -> list[Chunk]:
        """
        Give the chunks for what a part has grown by.
        """
        if growth.kind == TOOL:
            return [*self._closeThoughts(growth.part), *self._tool(growth)]
        if isinstance(growth, Valued):
            return self._data(growth)
        return self._text(growth)

    def reset(self) -> list[Chunk]:
        """
        Give the chunk that takes back everything since the beginning.
        """
        self._open.clear()
        self._opened.clear()
        self._tools.clear()
        self._once.clear()
        return [{"type": "reset-step"}]

    def end(self, state: str, reason: str | None) -> list[Chunk]:
        """
        Give the last chunks.

        @param state: L{DONE}, L{FAILED}, L{CANCELLED} or L{ABORTED}.
        @param reason: Why the answer is not whole, in a word; L{None} if there is nothing to say.
        """
        chunks = self._close(tuple(self._open))
        if state == CANCELLED:
            return [*chunks, {"type": "abort", "reason": "cancelled"}]
        if state != DONE:
            return [*chunks, {"type": "error", "errorText": _sentence(state, reason)}]
        word = _WORDS.get(reason or "") or ("tool-calls" if self._hasOpenCalls() else "stop")
        return [*chunks, {"type": "finish-step"}, {"type": "finish", "finishReason": word}]

    def _hasOpenCalls(self) -> bool:
        return any(tool.hasInput and not tool.isOver for tool in self._tools.values())

    def _text(self, growth: Grown) -> list[Chunk]:
        part, kind = growth.part, growth.kind
        chunks = [] if kind == REASONING else self._closeThoughts(part)
        if part not in self._open:
            times = self._opened[part] = self._opened.get(part, 0) + 1
            name = part if times == 1 else f"{part}.{times}"
            self._open[part] = name, kind
            chunks.append({"type": f"{kind}-start", "id": name})
        name, _ = self._open[part]
        if growth.text:
            chunks.append({"type": f"{kind}-delta", "id": name, "delta": growth.text})
        return chunks

    def _closeThoughts(self, part: str) -> list[Chunk]:
        """
        End the reasoning, now that the answer itself goes on.  A reasoning that went on once more
        ends with the answer, so that two parts that take turns do not make ever more parts.
        """
        thoughts = [
            other
            for other, (_, kind) in self._open.items()
            if other != part and kind == REASONING and self._opened[other] == 1
        ]
        return self._close(thoughts)

    def _close(self, parts: Sequence[str]) -> list[Chunk]:
        closed = [self._open.pop(part) for part in parts]
        return [{"type": f"{kind}-end", "id": name} for name, kind in closed]

    def _tool(self, growth: Growth) -> list[Chunk]:
        part = growth.part
        tool = self._tools.setdefault(part, _Tool())
        if isinstance(growth, Grown):
            if not tool.name:
                tool.waiting.append(growth.text)
                return []
            return [_delta(part, growth.text)] if growth.text and not tool.hasInput else []
        value = growth.value
        chunks: list[Chunk] = []
        if not tool.name:
            name = value.get("name")
            tool.name = name if isinstance(name, str) and name else _UNNAMED
            head = {"type": "tool-input-start", "toolCallId": part, "toolName": tool.name}
            chunks = [head, *(_delta(part, text) for text in tool.waiting if text)]
            tool.waiting.clear()
        if tool.isOver:
            return chunks
        if not tool.hasInput and ("input" in value or "output" in value):
            tool.hasInput = True
            given = {"toolCallId": part, "toolName": tool.name, "input": value.get("input")}
            chunks.append({"type": "tool-input-available", **given})
        if "output" in value:
            tool.isOver = True
            output = {"toolCallId": part, "output": value["output"]}
            chunks.append({"type": "tool-output-available", **output})
        elif "error" in value:
            tool.isOver = True
            failed: Chunk = {"toolCallId": part, "errorText": _textOf(value["error"])}
            if tool.hasInput:
                chunks.append({"type": "tool-output-error", **failed})
            else:
                failed |= {"toolName": tool.name, "input": None}
                chunks.append({"type": "tool-input-error", **failed})
        return chunks

    def _data(self, growth: Valued) -> list[Chunk]:
        assert growth.kind == DATA, "every other kind has a text"
        name, value = str(growth.value.get("name") or "data"), growth.value.get("value")
        wanted = _OWN.get(name)
        if wanted is None or not isinstance(value, dict):
            return [{"type": f"data-{name}", "id": growth.part, "data": value}]
        if not all(isinstance(value.get(key), str) for key in wanted):
            return [{"type": f"data-{name}", "id": growth.part, "data": value}]
        if growth.part in self._once:
            # The SDK would add it a second time.
            return []
        self._once.add(growth.part)
        known = {
            key: value[key]
            for key in (*wanted, "title", "filename")
            if isinstance(value.get(key), str)
        }
        place = {} if name == "file" else {"sourceId": growth.part}
        return [{"type": name, **place, **known}]


def _textOf(error: Any) -> str:
    """What a person reads of the error of a tool, which may be any JSON value."""
    if error is None:
        return "The call failed."
    return error if isinstance(error, str) else encodeValue(error).decode()


def _delta(part: str, text: str) -> Chunk:
    return {"type": "tool-input-delta", "toolCallId": part, "inputTextDelta": text}


def _sentence(state: str, reason: str | None) -> str:
    """What a person reads who waits for an answer that will not come whole."""
    if state == FAILED:
        return reason or "The answer failed."
    return f"The answer was broken off ({reason or ABORTED})."
