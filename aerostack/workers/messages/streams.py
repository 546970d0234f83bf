"""
What the hub and a worker say to each other of token streams.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from aerostack.core.answers.answer import End, Terms
from aerostack.core.answers.copying import Page, Place
from aerostack.core.answers.requests import (
    Append,
    Ended,
    Facts,
    Found,
    Operation,
    Put,
    Started,
    StartRequest,
    Stop,
    Whole,
)


class StartStream(Struct, frozen=True, array_like=True, tag=150):
    """
    A client of the worker begins a stream; see L{IStreams.start
    <aerostack.interfaces.streams.IStreams>}.  The answer is a L{StreamStarted}.

    @ivar topic: The canonical topic.
    @ivar number: By which the hub names this producer in a L{StopStream}; 0 if the producer cannot
        be told to stop.
    """

    topic: str
    number: int
    stream: str | None
    producer: str | None
    takeover: bool
    owner: str | None
    cancel: str
    lease: float
    persist: bool
    meta: bytes
    alone: bool
    unwatched: float | None

    @property
    def request(self) -> StartRequest:
        """What the producer asks for."""
        terms = Terms(
            self.owner,
            self.cancel,
            self.lease,
            self.persist,
            self.meta,
            unwatched=self.unwatched,
        )
        return StartRequest(terms, self.stream, self.producer, self.takeover, self.alone)


def startStream(topic: str, number: int, request: StartRequest) -> StartStream:
    """
    The message by which a stream begins.
    """
    terms = request.terms
    return StartStream(
        topic,
        number,
        request.stream,
        request.producer,
        request.takeover,
        terms.owner,
        terms.cancel,
        terms.lease,
        terms.persist,
        terms.meta,
        request.alone,
        terms.unwatched,
    )


class StreamStarted(Struct, frozen=True, array_like=True, tag=151):
    """
    The producer may send; the fields are those of L{Started}.
    """

    stream: str
    topic: str
    epoch: int
    length: dict[str, int]
    lease: int
    edition: dict[str, int] = {}

    @property
    def started(self) -> Started:
        """What the producer gets to know."""
        return Started(self.stream, self.topic, self.epoch, self.length, self.lease, self.edition)


def streamStarted(started: Started) -> StreamStarted:
    """
    The message that answers a beginning or a beat.
    """
    return StreamStarted(
        started.stream,
        started.topic,
        started.epoch,
        dict(started.length),
        started.lease,
        dict(started.edition),
    )


class StreamOperation(Struct, frozen=True, array_like=True):
    """
    An L{Append}, or a L{Put}.

    @ivar value: L{None} for an L{Append}.
    """

    part: str
    kind: str
    at: int
    text: str
    value: dict[str, bytes] | None
    edition: int = 0

    @property
    def operation(self) -> Operation:
        """The operation."""
        if self.value is None:
            return Append(self.part, self.kind, self.at, self.text, self.edition)
        return Put(self.part, self.kind, self.value)


class AppendStream(Struct, frozen=True, array_like=True, tag=152):
    """
    Let parts of a stream grow.  The answer is a L{StreamGrown}.
    """

    project: str
    stream: str
    epoch: int
    operations: list[StreamOperation]


def appendStream(
    project: str, stream: str, epoch: int, operations: Sequence[Operation]
) -> AppendStream:
    """
    The message by which parts of a stream grow.
    """
    return AppendStream(
        project,
        stream,
        epoch,
        [
            StreamOperation(each.part, each.kind, each.at, each.text, None, each.edition)
            if isinstance(each, Append)
            else StreamOperation(each.part, each.kind, 0, "", dict(each.value))
            for each in operations
        ],
    )


class StreamGrown(Struct, frozen=True, array_like=True, tag=153):
    """
    The parts of a stream have grown.

    @ivar length: The length of each part's text, UTF-16 units.
    """

    length: dict[str, int]


class EndStream(Struct, frozen=True, array_like=True, tag=154):
    """
    End a stream; C{state}, C{reason} and C{usage} are those of L{End}.  The answer is a
    L{StreamEnded}.

    @ivar whole: How much its producer has written; L{None} if it does not say so.
    """

    project: str
    stream: str
    epoch: int
    state: str
    reason: str | None
    usage: bytes | None
    whole: Whole | None = None

    @property
    def end(self) -> End:
        """How it ends."""
        return End(self.state, self.reason, None, self.usage)


class StreamEnded(Struct, frozen=True, array_like=True, tag=155):
    """
    A stream has ended; the fields are those of L{Ended}.
    """

    stream: str
    state: str
    kept: bool

    @property
    def ended(self) -> Ended:
        """How it has ended."""
        return Ended(self.stream, self.state, self.kept)


class BeatStream(Struct, frozen=True, array_like=True, tag=156):
    """
    The producer of a stream is there.  The answer is a L{StreamStarted}.
    """

    project: str
    stream: str
    epoch: int


class LeaveStream(Struct, frozen=True, array_like=True, tag=157):
    """
    The connection of a stream's producer is gone.
    """

    project: str
    stream: str
    epoch: int


class FindStream(Struct, frozen=True, array_like=True, tag=158):
    """
    Look who may cancel a stream.  The answer is a L{StreamFacts}.
    """

    project: str
    stream: str


class StreamFacts(Struct, frozen=True, array_like=True, tag=159):
    """
    Who may cancel a stream; the fields are those of L{Facts}.
    """

    topic: str
    owner: str | None
    cancel: str

    @property
    def facts(self) -> Facts:
        """The same."""
        return Facts(self.topic, self.owner, self.cancel)


class CancelStream(Struct, frozen=True, array_like=True, tag=160):
    """
    Cancel a stream.  The answer is a L{StreamEnded}.

    @ivar by: The user who does it.
    """

    project: str
    stream: str
    by: str | None


class GetStream(Struct, frozen=True, array_like=True, tag=161):
    """
    Read a stream.  The answer is a L{StreamRead}.
    """

    project: str
    stream: str


class StreamRead(Struct, frozen=True, array_like=True, tag=162):
    """
    A stream; the fields are those of L{Found}.
    """

    topic: str
    data: bytes

    @property
    def found(self) -> Found:
        """The same."""
        return Found(self.topic, self.data)


class CopyStream(Struct, frozen=True, array_like=True, tag=168):
    """
    Read a page of a stream; see L{IStreams.copy<aerostack.interfaces.streams.IStreams>}.  The
    answer is a L{StreamCopied}.
    """

    project: str
    stream: str
    place: Place


class StreamCopied(Struct, frozen=True, array_like=True, tag=169):
    """
    A page of a stream.
    """

    page: Page


class StopStream(Struct, frozen=True, array_like=True, tag=163):
    """
    A producer at the worker is to send no more; the other fields are those of L{Stop}.

    @ivar number: As of L{StartStream}.
    """

    number: int
    stream: str
    topic: str
    epoch: int
    state: str
    by: str | None
    reason: str | None

    @property
    def stop(self) -> Stop:
        """The same for the producer."""
        return Stop(self.stream, self.topic, self.epoch, self.state, self.by, self.reason)


class ClearStreams(Struct, frozen=True, array_like=True, tag=167):
    """
    What the hub has sent of streams of a topic holds no longer; the worker attaches it anew.
    """

    topic: str


class RunningStream(Struct, frozen=True, array_like=True, tag=164):
    """
    A stream runs on a topic that the worker attaches.  What it has up to then follows, and then the
    topic is attached.

    @ivar began: When it began, milliseconds since the epoch.
    @ivar head: See L{aerostack.core.answers.answer.Answer}.
    """

    topic: str
    stream: str
    began: int
    head: bytes


class RunningText(Struct, frozen=True, array_like=True, tag=165):
    """
    A piece of a part's text of such a stream.

    @ivar at: Where it begins, UTF-16 units.
    @ivar edition: How often text of the part was taken back.
    """

    topic: str
    stream: str
    part: str
    kind: str
    at: int
    text: str
    edition: int = 0


class RunningValue(Struct, frozen=True, array_like=True, tag=166):
    """
    The value of a part of such a stream.

    @ivar value: JSON.
    """

    topic: str
    stream: str
    part: str
    kind: str
    value: bytes


KINDS: tuple[type[Struct], ...] = (
    StartStream,
    StreamStarted,
    AppendStream,
    StreamGrown,
    EndStream,
    StreamEnded,
    BeatStream,
    LeaveStream,
    FindStream,
    StreamFacts,
    CancelStream,
    GetStream,
    StreamRead,
    CopyStream,
    StreamCopied,
    StopStream,
    ClearStreams,
    RunningStream,
    RunningText,
    RunningValue,
)
