"""
What nodes ask each other about token streams, and how they answer.

A call is one of a method of L{aerostack.interfaces.streams.IStreams}, unless its description says
otherwise.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aerostack.core.answers.answer import End
from aerostack.core.answers.copying import Place
from aerostack.core.answers.requests import Append, Operation, Put, StartRequest, Stop, Whole
from aerostack.errors import RealtimeError


class WrittenOperation(msgspec.Struct, frozen=True, array_like=True):
    """
    An L{Append}; or a L{Put}, if it has a value.
    """

    part: str
    kind: str
    at: int = 0
    text: str = ""
    value: dict[str, bytes] | None = None
    edition: int = 0

    @property
    def operation(self) -> Operation:
        """The same."""
        if self.value is None:
            return Append(self.part, self.kind, self.at, self.text, self.edition)
        return Put(self.part, self.kind, self.value)


class StartCall(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """
    Calls C{start}, for a stream that has begun.

    @ivar isTold: Whether the producer can be told to stop.
    """

    topic: str
    request: StartRequest
    isTold: bool = False


class AppendCall(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Calls C{append}."""

    project: str
    stream: str
    epoch: int
    operations: list[WrittenOperation]


class EndCall(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Calls C{end}."""

    project: str
    stream: str
    epoch: int
    end: End
    whole: Whole | None = None


class BeatCall(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Calls C{beat}."""

    project: str
    stream: str
    epoch: int


class LeaveCall(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Calls C{leave}."""

    project: str
    stream: str
    epoch: int


class FindCall(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Calls C{find}."""

    project: str
    stream: str


class CancelCall(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Calls C{cancel}."""

    project: str
    stream: str
    by: str | None


class GetCall(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Calls C{get}."""

    project: str
    stream: str


class StopCall(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Tells a producer at the node to send no more; the fields are those of L{Stop}."""

    stream: str
    topic: str
    epoch: int
    state: str
    by: str | None
    reason: str | None

    @property
    def stop(self) -> Stop:
        """The same."""
        return Stop(self.stream, self.topic, self.epoch, self.state, self.by, self.reason)


class CopyCall(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """Calls C{copy}."""

    project: str
    stream: str
    place: Place


Call = (
    CopyCall
    | StopCall
    | StartCall
    | AppendCall
    | EndCall
    | BeatCall
    | LeaveCall
    | FindCall
    | CancelCall
    | GetCall
)


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """
    The answer of a node.

    @ivar value: The result as msgpack; empty if the node refuses, with the other fields.
    """

    value: bytes = b""
    code: str = ""
    message: str = ""
    retryAfter: int | None = None
    details: dict[str, Any] = {}

    def raiseError(self) -> None:
        """
        Raise what the node refuses with.
        """
        raise RealtimeError(self.code, self.message, self.retryAfter, self.details)


encode = msgspec.msgpack.Encoder().encode
decodeCall = msgspec.msgpack.Decoder(Call).decode
decodeReply = msgspec.msgpack.Decoder(Reply).decode
