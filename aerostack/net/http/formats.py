"""
The forms in which a watched stream goes out over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aerostack.core.answers.answer import DONE
from aerostack.core.answers.growth import DATA, REASONING, TEXT, TOOL, Grown, Growth
from aerostack.errors import RealtimeError
from aerostack.protocol import sse
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.completions import CompletionWriter
from aerostack.protocol.uichunks import HEADER, ChunkWriter
from aerostack.streams.following import Watch, WatchedEnd, messageIdOf

EVENTS = {TEXT: "ai:token", REASONING: "ai:reasoning", TOOL: "ai:tool", DATA: "ai:data"}


class Format(Protocol):
    """
    Makes events of what a stream has grown by.

    @ivar headers: More headers of the answer.
    """

    headers: Mapping[str, str]

    def begin(self, watch: Watch, isNew: bool) -> bytes:
        """
        The events before everything else.

        @param isNew: Whether the client has nothing of the stream.
        """

    def write(self, growths: Sequence[Growth], place: str) -> bytes:
        """
        The events for what the stream has grown by.

        @param place: Up to where the client has the stream with these events.
        """

    def restart(self, watch: Watch) -> bytes:
        """
        The events before a stream from its beginning, for a client that has text which was taken
        back.

        @raise RealtimeError: Clients cannot begin again.
        """

    def end(self, end: WatchedEnd) -> bytes:
        """The events after everything else."""

    def fail(self, error: RealtimeError) -> bytes:
        """The events after which the client knows that it does not have the end."""


def _events(values: Sequence[Any]) -> bytes:
    return b"".join(sse.writeEvent(encodeValue(value)) for value in values)


_LAST = sse.writeEvent(sse.DONE.encode())


class PlainFormat:
    """
    The events of the stream, as clients of the WebSocket know them.
    """

    headers: Mapping[str, str] = {}

    def begin(self, watch: Watch, isNew: bool) -> bytes:
        return sse.writeEvent(encodeValue(watch.head), "ai:start") if isNew else b""

    def write(self, growths: Sequence[Growth], place: str) -> bytes:
        # A client that is cut off behind any text gets none of it again.  Values come again.
        places = [each.place if isinstance(each, Grown) else "" for each in growths]
        places[-1:] = [place]
        return b"".join(
            sse.writeEvent(encodeValue(_data(each)), EVENTS[each.kind], its)
            for each, its in zip(growths, places, strict=True)
        )

    def restart(self, watch: Watch) -> bytes:
        return self.begin(watch, True)

    def end(self, end: WatchedEnd) -> bytes:
        return sse.writeEvent(encodeValue(end.data), "ai:done")

    def fail(self, error: RealtimeError) -> bytes:
        body = {"code": error.code, "message": error.message}
        return sse.writeEvent(encodeValue(body), "error")


def _data(growth: Growth) -> dict[str, Any]:
    if not isinstance(growth, Grown):
        return {**growth.value, "part": growth.part}
    if growth.kind == TOOL:
        return {"call": growth.part, "args": growth.text, "part": growth.part}
    return {"token": growth.text, "part": growth.part}


class ChatFormat:
    """
    The chunks of C{useChat}.
    """

    headers: Mapping[str, str] = {HEADER[0].decode(): HEADER[1].decode()}

    _writer: ChunkWriter

    def begin(self, watch: Watch, isNew: bool) -> bytes:
        self._writer = ChunkWriter(messageIdOf(watch))
        return _events(self._writer.begin())

    def write(self, growths: Sequence[Growth], place: str) -> bytes:
        return _events([chunk for growth in growths for chunk in self._writer.write(growth)])

    def restart(self, watch: Watch) -> bytes:
        return _events(self._writer.reset())

    def end(self, end: WatchedEnd) -> bytes:
        return _events(self._writer.end(end.state, end.reason)) + _LAST

    def fail(self, error: RealtimeError) -> bytes:
        return _events([{"type": "error", "errorText": error.message}]) + _LAST


class CompletionFormat:
    """
    The chunks of OpenAI's completions.
    """

    headers: Mapping[str, str] = {}

    def __init__(self, writer: CompletionWriter, wantsUsage: bool) -> None:
        self._writer = writer
        self._wantsUsage = wantsUsage

    def begin(self, watch: Watch, isNew: bool) -> bytes:
        return b""

    def write(self, growths: Sequence[Growth], place: str) -> bytes:
        return _events([chunk for growth in growths for chunk in self._writer.write(growth)])

    def restart(self, watch: Watch) -> bytes:
        raise RealtimeError(
            "model_failed", "Text of the answer was taken back, which a completion cannot say."
        )

    def end(self, end: WatchedEnd) -> bytes:
        if end.state != DONE:
            return self.fail(brokenOff(end))
        usage = end.data.get("usage")
        encoded = None if usage is None else encodeValue(usage)
        return _events(self._writer.finish(end.reason, encoded, self._wantsUsage)) + _LAST

    def fail(self, error: RealtimeError) -> bytes:
        return _events([errorOf(error)])


def brokenOff(end: WatchedEnd) -> RealtimeError:
    """
    The error for a stream that did not end as its producer wanted.
    """
    why = f" ({end.reason})" if end.reason else ""
    return RealtimeError("model_failed", f"The answer has ended: {end.state}{why}.")


def errorOf(error: RealtimeError) -> Any:
    """
    The body of an error as OpenAI's clients read it.
    """
    return {
        "error": {
            "message": error.message,
            "type": error.code,
            "param": None,
            "code": error.code,
        }
    }
