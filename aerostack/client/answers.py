"""
The answers of a topic: streams that grow, folded from their frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.client.callbacks import Callback, Callbacks
from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame
from aerostack.core.answers.units import after, units

STREAMING = "streaming"
UNKNOWN = "unknown"
"""The state of an answer that ended while the client was away, if the daemon does not know how."""

_MOST_ENDED = 32
"""How many answers that have ended stay, so that a client that runs for months does not grow."""

_CHANGE = "change"

_KINDS = {
    "ai:token": "text",
    "ai:reasoning": "reasoning",
    "ai:tool": "tool",
    "ai:data": "data",
}
"""What a part is, by the event that brings it."""


@dataclass(frozen=True)
class Answer:
    """
    An answer, as far as it came.

    @ivar id: The id of its stream.
    @ivar text: The text of all parts that are text.
    @ivar parts: Its parts, in the order in which they began.  Each has C{id}, C{kind} (C{text},
        C{reasoning}, C{tool} or C{data}) and C{text}, and what the publisher gave: the C{name},
        and the C{input}, C{output}, C{error} or C{value}.
    @ivar state: C{streaming}, C{done}, C{failed}, C{cancelled}, C{aborted} or L{UNKNOWN}.
    @ivar fields: What else the daemon says of it, such as C{owner}, C{meta}, C{reason}, C{usage}
        and C{kept}.
    """

    id: str
    text: str
    parts: Sequence[Mapping[str, Any]]
    state: str
    fields: Mapping[str, Any]
    _cancel: Callable[[str], Deferred[None]] = field(repr=False, compare=False)

    def cancel(self) -> Deferred[None]:
        """
        Stop it.

        @return: Fires when the daemon has stopped it.  Fails with
            L{aerostack.client.errors.ClientError}.
        """
        return self._cancel(self.id)


class _Part:
    """
    A part of an answer.

    @ivar length: Of its text, UTF-16 units.
    """

    def __init__(self, id: str, kind: str, text: str = "") -> None:
        self.fields: dict[str, Any] = {"id": id, "kind": kind}
        self.length = units(text)
        self._pieces = [text]

    @property
    def text(self) -> str:
        """Its text so far."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def grow(self, text: str, at: int, reset: bool) -> bool:
        """
        Take some text.

        @param at: Where it begins, UTF-16 units.
        @param reset: Whether what is behind there is taken back.
        @return: Whether all that comes before it is here.
        """
        if at > self.length:
            return False
        if reset:
            kept = self.text
            rest = after(kept, at)
            if rest is None:
                return False
            self._pieces = [kept[: len(kept) - len(rest)], text]
            self.length = at + units(text)
            return True
        # It may begin with text that is here.
        added = after(text, min(self.length - at, units(text)))
        if added is None:
            return False
        self._pieces.append(added)
        self.length += units(added)
        return True


class _Growing:
    """
    An answer while its frames come.
    """

    def __init__(self) -> None:
        self.state = STREAMING
        self.fields: dict[str, Any] = {"owner": None, "meta": {}}
        self.parts: dict[str, _Part] = {}

    def grow(self, frame: Frame, data: Mapping[str, Any]) -> bool:
        """
        Take a frame of a part.

        @return: Whether the frames before it are here.
        """
        event, id = frame["event"], str(frame.get("part", "0"))
        part = self.parts.get(id) or _Part(id, _KINDS[event])
        more = dict(data)
        token, args = more.pop("token", None), more.pop("args", None)
        text, at = args if event == "ai:tool" else token, frame.get("at", 0)
        isText = isinstance(text, str) and isinstance(at, int)
        if isText and not part.grow(text, at, frame.get("reset") is True):
            return False
        part.fields.update(more)
        self.parts[id] = part
        return True

    def end(self, state: str, data: Mapping[str, Any]) -> None:
        """
        The daemon says how the answer has ended.

        @param data: What the daemon says of it.  The message that the history keeps has the whole
            text.
        """
        self.state = state
        self.fields.update({name: data[name] for name in data if name not in _OWN})
        text, parts = data.get("text"), data.get("parts")
        if isinstance(text, str):
            if not isinstance(parts, list):
                parts = [{"part": "0", "kind": "text", "text": text}]
            # A server may end its stream by an event, whose values the daemon does not check.
            whole = [_readPart(each) for each in parts if isinstance(each, dict)]
            self.parts = {part.fields["id"]: part for part in whole}


def _readPart(given: Mapping[str, Any]) -> _Part:
    """A part of the message that the history keeps."""
    said = given.get("text", given.get("args"))
    part = _Part(
        str(given.get("part")), str(given.get("kind")), said if isinstance(said, str) else ""
    )
    part.fields.update({name: given[name] for name in given if name not in _KEPT})
    return part


_KEPT = ("part", "kind", "text", "args")
"""What a L{_Part} takes of a part of the message that the history keeps."""

_READ = ("stream", "topic", "epoch")
"""What the daemon says of a stream that is read, and not of one that is watched."""

_OWN = ("id", "state", "text", "parts")
"""What an L{Answer} has as attributes of its own."""


class Answers:
    """
    The answers of a topic.

    While a channel is subscribed, they are what the daemon streams.
    """

    def __init__(
        self,
        cancel: Callable[[str], Deferred[None]],
        read: Callable[[str], Deferred[Frame]],
        added: Callable[[], None] | None = None,
    ) -> None:
        """
        @param cancel: Stops a stream.
        @param read: Reads a stream that has ended.
        @param added: Called when the application adds a callback.
        """
        self._cancel = cancel
        self._read = read
        self._callbacks = Callbacks(added)
        self._answers: dict[str, _Growing] = {}
        # The ids of the answers that have ended, in the order in which they ended.
        self._ended: dict[str, None] = {}
        # The ids of the answers that streamed when the subscription broke off, and that the daemon
        # has not begun again.
        self._doubtful: set[str] = set()

    @property
    def list(self) -> list[Answer]:
        """The answers, oldest first."""
        return [self._view(id) for id in self._answers]

    @property
    def newest(self) -> Answer | None:
        """The answer that began last."""
        return self._view(next(reversed(self._answers))) if self._answers else None

    def get(self, id: str) -> Answer | None:
        """
        The answer of a stream, if it came.
        """
        return self._view(id) if id in self._answers else None

    def _view(self, id: str) -> Answer:
        growing = self._answers[id]
        parts = [{**part.fields, "text": part.text} for part in growing.parts.values()]
        text = "".join(part["text"] for part in parts if part["kind"] == "text")
        return Answer(id, text, parts, growing.state, dict(growing.fields), self._cancel)

    @property
    def watched(self) -> bool:
        """Whether the application has a callback."""
        return bool(self._callbacks)

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with every answer that has changed.

        @param callback: Gets the L{Answer}.
        @return: Takes the callback back.
        """
        return self._callbacks.add(_CHANGE, callback)

    # From the topic

    def received(self, frame: Frame) -> bool:
        """
        Take an event of a stream.

        @return: Whether the frames before it are here.  If not, the channel has to subscribe anew.
        """
        id, event = str(frame["stream"]), frame.get("event")
        data = frame.get("data")
        fields = data if isinstance(data, dict) else {}
        self._doubtful.discard(id)
        if event == "ai:done":
            self._end(id, str(frame.get("state") or fields.get("state")), fields)
        elif event == "ai:start":
            started = self._open(id)
            if started.state == UNKNOWN:
                started.state = STREAMING
            started.fields.update({name: fields[name] for name in fields if name not in _OWN})
            self._changed(id)
        elif event in _KINDS:
            growing = self._open(id)
            if growing.state == UNKNOWN:
                # The daemon sends more of it, so it has not ended.
                growing.state = STREAMING
            # A frame after the end was under way when the stream ended.
            if growing.state == STREAMING:
                if not growing.grow(frame, fields):
                    return False
                self._changed(id)
        return True

    def fresh(self, frame: Frame) -> Frame | None:
        """
        Give the part of an event of a stream that has not come before.  After a broken connection
        the daemon may send text a second time.

        @param frame: It has not been L{received}.
        @return: The event with the rest of its text; L{None} if all of it has come.
        """
        growing = self._answers.get(str(frame["stream"]))
        part = None if growing is None else growing.parts.get(str(frame.get("part", "0")))
        at, data = frame.get("at"), frame.get("data")
        name = "args" if frame.get("event") == "ai:tool" else "token"
        text = data.get(name) if isinstance(data, dict) else None
        if part is None or not isinstance(at, int) or not isinstance(text, str):
            return frame
        if frame.get("reset") is True or at >= part.length:
            return frame
        rest = after(text, min(part.length - at, units(text)))
        if rest is None:
            return frame
        assert isinstance(data, dict)
        return {**frame, "at": part.length, "data": {**data, name: rest}} if rest else None

    def subscribed(self, recovered: bool) -> None:
        """
        The subscription begins, or begins again.

        @param recovered: Whether everything follows that the client missed.
        """
        self._doubtful.clear()
        if not recovered:
            streaming = [id for id, each in self._answers.items() if each.state == STREAMING]
            self._doubtful.update(streaming)

    def settled(self) -> None:
        """
        A position came: the daemon has sent all that it sends to a client that joins.
        """
        doubtful, self._doubtful = self._doubtful, set()
        for id in sorted(doubtful):
            self._end(id, UNKNOWN, {})
            # The history may have it.
            self._read(id).addCallbacks(self._found, self._notFound, (id,))

    def _found(self, found: Frame, id: str) -> None:
        """Take what the daemon knows of an answer that has ended."""
        growing, state = self._answers.get(id), found.get("state")
        isOver = isinstance(state, str) and state != STREAMING
        if growing is not None and growing.state == UNKNOWN and isOver:
            self._end(id, str(state), {name: found[name] for name in found if name not in _READ})

    def _notFound(self, failure: Failure) -> None:
        """The answer was not kept, or the daemon does not reply now: the end stays unknown."""
        failure.trap(ClientError)

    def clear(self) -> None:
        """
        Forget the answers and the callbacks.
        """
        self._answers.clear()
        self._ended.clear()
        self._doubtful.clear()
        self._callbacks.clear()

    def _open(self, id: str) -> _Growing:
        return self._answers.setdefault(id, _Growing())

    def _end(self, id: str, state: str, data: Mapping[str, Any]) -> None:
        self._open(id).end(state, data)
        self._ended.pop(id, None)
        self._ended[id] = None
        if len(self._ended) > _MOST_ENDED:
            self._forget(next(iter(self._ended)))
        self._changed(id)

    def _forget(self, id: str) -> None:
        """Forget an answer, unless it goes on."""
        del self._ended[id]
        if self._answers[id].state != STREAMING:
            del self._answers[id]

    def _changed(self, id: str) -> None:
        self._callbacks.call(_CHANGE, self._view(id))
