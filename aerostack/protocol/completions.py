"""
The streamed chat completions of OpenAI and of those who follow it: what an upstream sends, and what
the daemon sends to those who ask it in this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from aerostack.core.answers.growth import DATA, REASONING, TEXT, TOOL, Grown, Growth, Valued
from aerostack.protocol.codec import makeReadable
from aerostack.protocol.sse import DONE

ANSWER, REFUSAL, THOUGHT = "0", "refusal", "r0"
"""The parts of a completion's text, of its refusal and of its reasoning."""

CALLS = 128
"""How many calls of tools a completion may have."""

USAGE_BYTES = 16_384
"""How many bytes the numbers of tokens may have, which all watchers get.  Others count as none."""

_ID_LENGTH = 200


class BrokenCompletion(Exception):
    """
    The upstream did not send a completion.  The message says what it sent instead, in words that
    hold nothing of what was sent.
    """


_NULL = Raw(b"null")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Raw = _NULL
    error: Raw = _NULL


_decoder = msgspec.json.Decoder(_Chunk)
_arguments = msgspec.json.Decoder(dict[str, Any])


class _Call:
    """A call of a tool, as far as it has come."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.name = ""
        self.arguments: list[str] = []


class CompletionReader:
    """
    Turns the chunks of one completion into the growth of the parts of an answer.

    Everything that a chunk has counts.  The input of a tool is given only when the upstream says
    that the completion has ended by itself, because the beginning of some JSON can look whole.

    @ivar finished: Why the completion ended, in the upstream's word; L{None} until it has.
    @ivar isDone: Whether the upstream has said that nothing more comes.
    @ivar usage: How many tokens the upstream has counted, as JSON; L{None} until that comes.
    """

    def __init__(self) -> None:
        self.finished: str | None = None
        self.isDone = False
        self.usage: bytes | None = None
        self._calls: dict[int, _Call] = {}

    @property
    def isWhole(self) -> bool:
        """Whether the completion has ended by itself."""
        return self.isDone or self.finished is not None

    def feed(self, data: str) -> list[Growth]:
        """
        Read a chunk.

        @param data: The data of a server-sent event.
        @return: What the parts have grown by, in order.
        @raise BrokenCompletion: It is no chunk, or an error of the upstream.
        """
        if data == DONE:
            self.isDone = True
            return []
        try:
            chunk = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            raise BrokenCompletion("it sent what is no chunk of a completion") from None
        if bytes(chunk.error) != b"null":
            raise BrokenCompletion("it sent an error in the middle of the answer")
        if bytes(chunk.usage) != b"null" and len(bytes(chunk.usage)) <= USAGE_BYTES:
            self.usage = makeReadable(bytes(chunk.usage))
        grown: list[Growth] = []
        for choice in chunk.choices or ():
            # The daemon asks for one choice.
            if choice.index == 0:
                self._take(choice, grown)
        return grown

    def _take(self, choice: _Choice, grown: list[Growth]) -> None:
        delta = choice.delta
        if delta is not None:
            # Some upstreams send the reasoning under both names.
            thought = delta.reasoning_content or delta.reasoning
            for part, kind, text in (
                (THOUGHT, REASONING, thought),
                (ANSWER, TEXT, delta.content),
                (REFUSAL, TEXT, delta.refusal),
            ):
                if text:
                    grown.append(Grown(part, kind, text))
            for call in delta.tool_calls or ():
                self._takeCall(call, grown)
        if choice.finish_reason is not None and self.finished is None:
            self.finished = choice.finish_reason
            if self.finished in ("stop", "tool_calls"):
                grown.extend(self._inputs())

    def _takeCall(self, sent: _ToolCall, grown: list[Growth]) -> None:
        call = self._calls.get(sent.index)
        function = sent.function or _Function()
        if call is None:
            if len(self._calls) >= CALLS:
                raise BrokenCompletion(f"it called more than {CALLS} tools")
            call = self._calls[sent.index] = _Call(self._partOf(sent))
        if function.name and not call.name:
            call.name = function.name[:_ID_LENGTH]
            named = {"call": call.part, "name": call.name}
            grown.append(Valued(call.part, TOOL, named))
        if function.arguments:
            call.arguments.append(function.arguments)
            grown.append(Grown(call.part, TOOL, function.arguments))

    def _partOf(self, sent: _ToolCall) -> str:
        """The name of the part of a new call: its id, if no other part has that."""
        taken = {ANSWER, REFUSAL, THOUGHT, *(call.part for call in self._calls.values())}
        part = sent.id or ""
        if part and len(part) <= _ID_LENGTH and part.isprintable() and part not in taken:
            return part
        return f"call-{sent.index}"

    def _inputs(self) -> list[Growth]:
        """The inputs of the tools, whose arguments are whole."""
        found: list[Growth] = []
        for call in self._calls.values():
            known: dict[str, Any] = {"call": call.part, "name": call.name}
            text = "".join(call.arguments)
            try:
                known["input"] = _arguments.decode(text or "{}")
            except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
                known["error"] = "The arguments are not a JSON object."
            found.append(Valued(call.part, TOOL, known))
        return found


def _chunk(head: Mapping[str, Any], delta: Mapping[str, Any] | None, reason: str | None) -> Any:
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": reason}
    return {**head, "choices": [choice]}


class CompletionWriter:
    """
    Turns the growth of the parts of one answer into chunks, and into one whole completion.
    """

    def __init__(self, answer: str, model: str, created: int) -> None:
        """
        @param answer: The id of the answer.
        @param model: The name of the model by which the client asked.
        @param created: When it began, seconds since the epoch.
        """
        self._head = {"id": answer, "created": created, "model": model}
        self._hasBegun = False
        self._calls: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, list[str]] = {}

    @property
    def _chunkHead(self) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk"}

    def write(self, growth: Growth) -> list[Any]:
        """
        Give the chunks for what a part has grown by.
        """
        delta = self._delta(growth)
        if delta is None:
            return []
        return [*self.begin(), _chunk(self._chunkHead, delta, None)]

    def begin(self) -> list[Any]:
        """
        Give the chunk that says who speaks, unless it was given.
        """
        if self._hasBegun:
            return []
        self._hasBegun = True
        return [_chunk(self._chunkHead, {"role": "assistant", "content": ""}, None)]

    def finish(self, reason: str | None, usage: bytes | None, wantsUsage: bool) -> list[Any]:
        """
        Give the last chunks of an answer that has ended by itself.

        @param reason: See L{finishReason}.
        @param usage: The numbers of tokens, as JSON; L{None} if they are not known.
        @param wantsUsage: Whether the client asked for them.
        """
        chunks = [*self.begin(), _chunk(self._chunkHead, None, self.finishReason(reason))]
        if wantsUsage and usage is not None:
            chunks.append({**self._chunkHead, "choices": [], "usage": Raw(usage)})
        return chunks

    def finishReason(self, reason: str | None) -> str:
        """
        The word for why an answer ended.

        @param reason: Why, if it is not whole: C{length} or C{content_filter}.
        """
        return reason or ("tool_calls" if self._calls else "stop")

    def reset(self) -> None:
        """
        Forget what the parts have grown by, because L{whole} is to give what comes now instead.
        """
        self._calls.clear()
        self._texts.clear()

    def whole(self, reason: str | None, usage: bytes | None) -> Any:
        """
        Give the whole completion, for a client that did not ask for a stream.

        @param reason: See L{finishReason}.
        @param usage: The numbers of tokens, as JSON; L{None} if they are not known.
        """
        texts = {part: "".join(pieces) for part, pieces in self._texts.items()}
        message: dict[str, Any] = {
            "role": "assistant",
            "content": texts.get(ANSWER),
            "refusal": texts.get(REFUSAL),
        }
        if THOUGHT in texts:
            message["reasoning_content"] = texts[THOUGHT]
        if self._calls:
            message["tool_calls"] = [
                {
                    "id": part,
                    "type": "function",
                    "function": {"name": call["name"], "arguments": texts.get(part, "")},
                }
                for part, call in self._calls.items()
            ]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self.finishReason(reason),
        }
        completion = {**self._head, "object": "chat.completion", "choices": [choice]}
        return completion if usage is None else {**completion, "usage": Raw(usage)}

    def _delta(self, growth: Growth) -> dict[str, Any] | None:
        if growth.kind == DATA:
            return None
        if growth.kind == TOOL:
            return self._callDelta(growth)
        assert isinstance(growth, Grown), "only tools and data have values"
        self._texts.setdefault(growth.part, []).append(growth.text)
        if growth.kind == REASONING:
            return {"reasoning_content": growth.text}
        return {"refusal" if growth.part == REFUSAL else "content": growth.text}

    def _callDelta(self, growth: Growth) -> dict[str, Any] | None:
        call = self._calls.get(growth.part)
        isNew = call is None
        if call is None:
            name = growth.value.get("name", "") if isinstance(growth, Valued) else ""
            call = self._calls[growth.part] = {"index": len(self._calls), "name": name}
        delta: dict[str, Any] = {"index": call["index"]}
        function: dict[str, Any] = {}
        if isNew:
            delta |= {"id": growth.part, "type": "function"}
            function = {"name": call["name"], "arguments": ""}
        if isinstance(growth, Grown):
            self._texts.setdefault(growth.part, []).append(growth.text)
            function["arguments"] = growth.text
        if not function:
            return None
        return {"tool_calls": [{**delta, "function": function}]}
