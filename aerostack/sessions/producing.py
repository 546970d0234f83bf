"""
The token streams of one session: what the client produces, and what it cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Action, Identity, Role
from aerostack.core.answers.answer import DONE, FAILED, NOBODY, OWNER, End
from aerostack.core.answers.requests import (
    Append,
    Ended,
    Facts,
    Operation,
    Started,
    Stop,
    checkEpoch,
    checkError,
    checkSize,
    goesOn,
    makeAppend,
    makePut,
    makeStart,
    makeWhole,
)
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.errors import RealtimeError
from aerostack.protocol.clientframes import (
    StreamAppend,
    StreamBeat,
    StreamCancel,
    StreamEnd,
    StreamPut,
    StreamStart,
)
from aerostack.protocol.codec import MAX_ID, encodeValue, sizeOf
from aerostack.protocol.frames import MessageId
from aerostack.protocol.serverframes import StreamAck, StreamStop
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession
from aerostack.sessions.refusals import refusal

T = TypeVar("T")

PAUSE = 0.02
MAX_TRIES = 50
"""For how many seconds, and how often, the session waits for the end of a stream that its client
has cancelled."""

MAX_PRODUCED = 1000
"""How many streams one connection may produce at once."""

_Frame = StreamStart | StreamAppend | StreamPut | StreamEnd | StreamBeat | StreamCancel


class Producing:
    """
    Carries out the frames of one session that are about token streams.
    """

    __slots__ = ("_context", "_produced", "_session")

    def __init__(self, session: CommandedSession, context: SessionContext) -> None:
        self._session = session
        self._context = context
        # By the ids of the streams that this connection produces, its number as their producer, and
        # the topic.  Most clients produce none.
        self._produced: dict[str, tuple[int, Topic]] | None = None

    def leave(self) -> None:
        """
        Note that the connection is gone.
        """
        produced, self._produced = self._produced, None
        for stream, (epoch, _) in (produced or {}).items():
            self._context.streams.leave(self._project, stream, epoch, self._stopped)

    def reauthorize(self) -> Iterator[None]:
        """
        Leave the streams that the client has no right to produce any more, one in each step.
        """
        for stream, (epoch, topic) in tuple((self._produced or {}).items()):
            try:
                self._context.feeds.permit(self._session.identity, Action.STREAM, topic)
            except RealtimeError as error:
                self._forget(stream, epoch)
                self._context.streams.leave(self._project, stream, epoch, self._stopped)
                self._session.sendError(error, None, topic.canonical)
            yield

    def _forget(self, stream: str, epoch: int) -> None:
        """Note that this connection does not produce a stream any more."""
        produced = self._produced
        if produced is not None and stream in produced and produced[stream][0] == epoch:
            del produced[stream]

    @property
    def _project(self) -> str:
        return self._session.identity.project

    def start(self, topic: Topic, frame: StreamStart) -> None:
        """
        Begin a stream, or go on with one.
        """
        _checkId(frame.id)
        self._context.feeds.permit(self._session.identity, Action.STREAM, topic)
        if len(self._produced or ()) >= MAX_PRODUCED:
            raise RealtimeError(
                "too_many_streams", f"A connection produces at most {MAX_PRODUCED} streams.", 1000
            )
        request = makeStart(
            frame.stream,
            frame.producer,
            frame.owner,
            frame.cancel,
            frame.lease,
            frame.persist,
            None if frame.meta is None else encodeValue(frame.meta),
            frame.takeover,
        )
        asked = self._context.streams.start(topic, request, self._stopped)
        self._answer(asked, frame, topic.canonical, self._started)

    def _started(self, started: Started, messageId: MessageId | None) -> None:
        if self._isOver:
            self._context.streams.leave(self._project, started.stream, started.epoch, self._stopped)
            return
        if self._produced is None:
            self._produced = {}
        self._produced[started.stream] = started.epoch, topicOf(started.topic)
        self._session.send(
            StreamAck(
                stream=started.stream,
                topic=started.topic,
                id=_given(messageId),
                epoch=started.epoch,
                length=dict(started.length),
                lease=started.lease,
                edition=dict(started.edition) or UNSET,
            )
        )

    def _stopped(self, stop: Stop) -> None:
        """Tell the client that it is to send no more of a stream."""
        self._forget(stop.stream, stop.epoch)
        self._session.send(
            StreamStop(
                stream=stop.stream,
                topic=stop.topic,
                epoch=stop.epoch,
                state=stop.state,
                by=UNSET if stop.by is None else stop.by,
                reason=UNSET if stop.reason is None else stop.reason,
            )
        )

    def append(self, frame: StreamAppend) -> None:
        """
        Let a part of a stream grow.
        """
        self._grow(frame, makeAppend(frame.part, frame.kind, frame.at, frame.text, frame.edition))

    def put(self, frame: StreamPut) -> None:
        """
        Give a part of a stream a value.
        """
        value = {name: bytes(each) for name, each in frame.value.items()}
        self._grow(frame, makePut(frame.part, frame.kind, value))

    def _grow(self, frame: StreamAppend | StreamPut, operation: Operation) -> None:
        _checkId(frame.id)
        stream, epoch = frame.stream, frame.epoch
        asked = self._asked(frame, self._context.streams.append, [operation])

        def grown(length: dict[str, int], messageId: MessageId | None) -> None:
            if isinstance(operation, Append):
                # The rate counts only the bytes of text.
                self._session.giveBackFrame()
            if messageId is not None:
                self._session.send(
                    StreamAck(stream=stream, id=messageId, epoch=epoch, length=length)
                )

        self._answer(asked, frame, None, grown)

    def _asked(
        self,
        frame: StreamAppend | StreamPut | StreamEnd | StreamBeat,
        call: Callable[..., Deferred[Any]],
        *args: Any,
    ) -> Deferred[Any]:
        """Ask something for a stream that this connection produces, or has produced."""
        if frame.stream not in (self._produced or {}) and (
            self._session.identity.role is not Role.SECRET
        ):
            # Its right to the topic was checked when it started.
            raise RealtimeError(
                "stream_unknown",
                "This connection does not produce the stream; send stream_start first.",
                details={"stream": frame.stream[:64]},
            )
        return call(self._project, frame.stream, checkEpoch(frame.epoch), *args)

    def end(self, frame: StreamEnd) -> None:
        """
        End a stream.
        """
        _checkId(frame.id)
        state = frame.state or DONE
        if state not in (DONE, FAILED):
            raise RealtimeError("invalid_frame", f"A producer ends a stream as {DONE} or {FAILED}.")
        usage = None if frame.usage is None else encodeValue(frame.usage)
        end = End(state, checkError(frame.error), None, checkSize(usage, "usage"))
        whole = makeWhole(frame.length, frame.edition)
        stream, epoch = frame.stream, frame.epoch

        def answered(result: T) -> T:
            if not (isinstance(result, Failure) and goesOn(result.value)):
                self._forget(stream, epoch)
            return result

        asked = self._asked(frame, self._context.streams.end, end, whole)
        self._answer(asked.addBoth(answered), frame, None, self._ended)

    def _ended(self, ended: Ended, messageId: MessageId | None) -> None:
        self._session.send(
            StreamAck(stream=ended.stream, id=_given(messageId), state=ended.state, kept=ended.kept)
        )

    def beat(self, frame: StreamBeat) -> None:
        """
        Note that the client is there.
        """
        _checkId(frame.id)

        def known(started: Started, messageId: MessageId | None) -> None:
            self._session.send(
                StreamAck(
                    stream=started.stream,
                    id=_given(messageId),
                    epoch=started.epoch,
                    length=dict(started.length),
                    lease=started.lease,
                    edition=dict(started.edition) or UNSET,
                )
            )

        self._answer(self._asked(frame, self._context.streams.beat), frame, None, known)

    def cancel(self, frame: StreamCancel, topic: str | None) -> None:
        """
        Cancel a stream.

        @param topic: The topic that an error names, if the client has named one.
        """
        _checkId(frame.id)
        stream = frame.stream[:64]
        asked: Deferred[Any] = self._context.streams.find(self._project, stream)
        asked.addCallback(self._cancel, stream)
        self._answer(asked, frame, topic, self._cancelled)

    def _cancel(self, facts: Facts, stream: str) -> Deferred[Any]:
        """Cancel a stream, if the client may."""
        identity = self._session.identity
        mayCancel(identity, facts, stream)
        cancelled: Deferred[Any] = self._context.streams.cancel(
            self._project, stream, identity.userId
        )
        return cancelled.addCallback(lambda ended: (ended, facts.topic))

    def _cancelled(self, result: tuple[Ended, str], messageId: MessageId | None) -> None:
        """Answer once every subscriber here has what was published before the end."""
        ended, topic = result
        ack = StreamAck(stream=ended.stream, id=_given(messageId), state=ended.state)

        def sent() -> None:
            if not self._isOver:
                self._session.send(ack)

        def later(tries: int = 0) -> None:
            hub, clock = self._context.hub, self._context.clock
            answer = hub.sequencer.answers.get(self._project, ended.stream)
            if answer is not None and not answer.isOver and tries < MAX_TRIES:
                # It runs on another node, and its end has not come here yet.
                clock.callLater(PAUSE, later, tries + 1)
            else:
                hub.delivery.whenSent((topic,), sent)

        later()

    @property
    def _isOver(self) -> bool:
        return self._session.isShut

    def _answer(
        self,
        asked: Deferred[Any],
        frame: _Frame,
        topic: str | None,
        answer: Callable[[Any, MessageId | None], None],
    ) -> None:
        """
        Answer a frame when the result is there.

        @param answer: Is called with the result and the id of the frame.
        """
        # Keep only these: the frame itself may be large.
        messageId, request = frame.id, str(frame.__struct_config__.tag)

        def failed(failure: Failure) -> None:
            self._session.sendError(refusal(failure), messageId, topic, request)

        asked.addCallbacks(answer, failed, (messageId,)).addErrback(self._session.fail)


def mayCancel(identity: Identity, facts: Facts, stream: str) -> None:
    """
    Make sure that a client may cancel a stream.

    @param stream: The stream's id.
    @raise RealtimeError: C{forbidden} or C{wrong_project}.
    """
    if identity.role is Role.SECRET:
        return
    topic = topicOf(facts.topic)
    identity.check(Action.SUBSCRIBE, topic)
    if facts.cancel == NOBODY:
        raise _uncancellable("No client may cancel this stream.", stream)
    if facts.cancel == OWNER:
        if facts.owner is None or facts.owner != identity.userId:
            raise _uncancellable("Only the owner of this stream may cancel it.", stream)
    else:
        identity.check(Action.PUBLISH, topic)


def _uncancellable(message: str, stream: str) -> RealtimeError:
    return RealtimeError("forbidden", message, details={"stream": stream})


def _given(messageId: MessageId | None) -> Any:
    return UNSET if messageId is None else messageId


def _checkId(messageId: MessageId | None) -> None:
    if messageId is not None and sizeOf(messageId) > MAX_ID:
        raise RealtimeError("invalid_frame", f"An id has at most {MAX_ID} characters.")
