"""
Token streams of other nodes: what is asked of a stream that does not run here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.answers.answer import RELAY, STREAMING, Answer, End
from aerostack.core.answers.copying import Page, Place
from aerostack.core.answers.requests import (
    Append,
    Ended,
    Facts,
    Found,
    Operation,
    Started,
    StartRequest,
    Stop,
    Whole,
    goesOn,
)
from aerostack.core.replay.publications import StreamMark
from aerostack.core.topics.topics import Topic, projectOf, topicOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.streams import IStreams
from aerostack.streams.calls import (
    AppendCall,
    BeatCall,
    Call,
    CancelCall,
    CopyCall,
    EndCall,
    FindCall,
    GetCall,
    LeaveCall,
    Reply,
    StartCall,
    StopCall,
    WrittenOperation,
    decodeCall,
    decodeReply,
    encode,
)
from aerostack.streams.refusals import endedAs
from aerostack.streams.run import Stopped

KIND = "st"
"""See L{INodes.serve}."""

PATIENCE = 10.0
"""For how many seconds a call waits for the other nodes.  An end waits for the database."""

COPYING = 3.0
"""For how many seconds a topic's subscribers wait for the beginning of a stream."""

_UNKNOWN = "stream_unknown"


@implementer(IStreams)
class NodeStreams:
    """
    Asks the other nodes for the streams that do not run on this one.

    @ivar silent: Names the nodes for which no call waits, because they count as dead.
    @ivar isClosing: Tells whether a node is about to end a stream of an id, so that none of that id
        may begin.
    @ivar isComing: Tells whether a stream that no node has is about to be taken over by one.
    @ivar endOf: Reads how a stream has ended, if that was a short while ago and no node may know
        it any more.
    """

    def __init__(
        self,
        streams: IStreams,
        nodes: INodes,
        past: Callable[[str, str], Deferred[Found | None]],
    ) -> None:
        """
        @param streams: Those of this node.
        @param past: Reads a stream of a project from the history.
        """
        self.isClosing: Callable[[str, str], bool] = lambda project, stream: False
        self.silent: Callable[[], Collection[str]] = lambda: ()
        self.isComing: Callable[[str, str], Deferred[bool]] = lambda project, stream: succeed(False)
        self.endOf: Callable[[str, str], Deferred[StreamMark | None]] = lambda project, stream: (
            succeed(None)
        )
        self._streams: Any = streams
        self._nodes = nodes
        self._past = past
        # What tells producers of this node to stop, by their streams' projects, ids and epochs.
        self._stopped: dict[tuple[str, str, int], Stopped] = {}
        # By project and id, the streams that start at other nodes now: how many calls wait for
        # each, and the stop that has come meanwhile.
        self._starting: Counter[tuple[str, str]] = Counter()
        self._early: dict[tuple[str, str], Stop] = {}
        nodes.serve(KIND, self._serve)

    # IStreams

    def start(
        self, topic: Topic, request: StartRequest, stopped: Stopped | None = None
    ) -> Deferred[Started]:
        """
        See L{IStreams.start}.  A stream that runs elsewhere goes on there.  One that has ended is
        not begun again because its producer did not get the answer before a daemon died.
        """

        def begin(_: Any) -> Deferred[Started]:
            started: Deferred[Started] = self._streams.start(topic, request, stopped)
            return started

        stream = request.stream
        if stream is None:
            return begin(None)
        local: Deferred[Any] = self._streams.find(topic.project, request.stream)
        known = local.addCallbacks(
            begin, self._startElsewhere, errbackArgs=(topic, request, stream, stopped)
        )

        def beginAnew() -> Deferred[Started]:
            if self.isClosing(topic.project, stream):
                message = "The daemon that had the stream is gone, and another one ends it."
                return fail(RealtimeError("engine_unavailable", message, 1000))
            return begin(None)

        def judge(end: StreamMark | None) -> Deferred[Started]:
            return beginAnew() if end is None else fail(endedAs(stream, end.state))

        def unread(failure: Failure) -> Deferred[Started]:
            # A stream may begin while the database does not answer.
            failure.trap(RealtimeError)
            return beginAnew()

        def unknown(failure: Failure) -> Any:
            if not _isUnknown(failure):
                return failure
            if (request.producer or RELAY).startswith(RELAY):
                # No producer starts it again by this name.
                return beginAnew()
            # The call that begins the stream may fail, and the producer does not try it again.
            return self.endOf(topic.project, stream).addCallbacks(judge, unread)

        return known.addErrback(unknown)

    def _startElsewhere(
        self,
        failure: Failure,
        topic: Topic,
        request: StartRequest,
        stream: str,
        stopped: Stopped | None,
    ) -> Any:
        """Go on with a stream that runs at another node, and note whom to tell when it ends."""
        call = StartCall(topic.canonical, request, stopped is not None)
        if stopped is None:
            return self._elsewhere(failure, call, Started)
        project, key = topic.project, (topic.project, stream)
        self._starting[key] += 1

        def started(started: Started) -> Started:
            epoch = started.epoch
            self._stopped[project, stream, epoch] = stopped
            early = self._early.get(key)
            if early is not None and early.epoch == epoch:
                self._stop(early)
            return started

        def done(result: Any) -> Any:
            self._starting[key] -= 1
            if not self._starting[key]:
                del self._starting[key]
                self._early.pop(key, None)
            return result

        asked: Deferred[Any] = maybeDeferred(self._elsewhere, failure, call, Started)
        return asked.addCallback(started).addBoth(done)

    def append(
        self, project: str, stream: str, epoch: int, operations: Sequence[Operation]
    ) -> Deferred[Mapping[str, int]]:
        """
        See L{IStreams.append}.
        """
        written = [
            WrittenOperation(each.part, each.kind, each.at, each.text, None, each.edition)
            if isinstance(each, Append)
            else WrittenOperation(each.part, each.kind, value=dict(each.value))
            for each in operations
        ]
        appended: Deferred[Any] = self._streams.append(project, stream, epoch, operations)
        return appended.addErrback(
            self._elsewhere, AppendCall(project, stream, epoch, written), dict[str, int]
        )

    def end(
        self, project: str, stream: str, epoch: int, end: End, whole: Whole | None = None
    ) -> Deferred[Ended]:
        """
        See L{IStreams.end}.
        """
        key = project, stream, epoch
        stopped = self._stopped.pop(key, None)

        def failed(failure: Failure) -> Failure:
            if stopped is not None and goesOn(failure.value):
                self._stopped.setdefault(key, stopped)
            return failure

        ended: Deferred[Any] = self._streams.end(project, stream, epoch, end, whole)
        ended.addErrback(self._elsewhere, EndCall(project, stream, epoch, end, whole), Ended)
        return ended.addErrback(failed)

    def beat(self, project: str, stream: str, epoch: int) -> Deferred[Started]:
        """
        See L{IStreams.beat}.
        """
        known: Deferred[Any] = self._streams.beat(project, stream, epoch)
        return known.addErrback(self._elsewhere, BeatCall(project, stream, epoch), Started)

    def leave(
        self, project: str, stream: str, epoch: int, stopped: Stopped | None
    ) -> Deferred[None]:
        """
        See L{IStreams.leave}.
        """
        key = project, stream, epoch
        isNoted = stopped is not None and self._stopped.get(key) == stopped
        if isNoted:
            del self._stopped[key]
        found: Deferred[Any] = self._streams.find(project, stream)

        def known(_: Facts) -> None:
            self._streams.leave(project, stream, epoch, stopped)

        def unknown(_: Failure) -> None:
            if isNoted:
                self._nodes.tell(KIND, encode(LeaveCall(project, stream, epoch)))

        return found.addCallbacks(known, unknown)

    def find(self, project: str, stream: str) -> Deferred[Facts]:
        """
        See L{IStreams.find}.
        """
        found: Deferred[Any] = self._streams.find(project, stream)
        return found.addErrback(self._elsewhere, FindCall(project, stream), Facts)

    def cancel(self, project: str, stream: str, by: str | None) -> Deferred[Ended]:
        """
        See L{IStreams.cancel}.
        """
        cancelled: Deferred[Any] = self._streams.cancel(project, stream, by)
        return cancelled.addErrback(self._elsewhere, CancelCall(project, stream, by), Ended)

    def copy(self, project: str, stream: str, place: Place) -> Deferred[Page]:
        """
        See L{IStreams.copy}.
        """
        copied: Deferred[Any] = self._streams.copy(project, stream, place)
        return copied.addErrback(self._elsewhere, CopyCall(project, stream, place), Page)

    def get(self, project: str, stream: str) -> Deferred[Found]:
        """
        See L{IStreams.get}.
        """

        def ended(failure: Failure) -> Any:
            if not _isUnknown(failure):
                return failure
            return self._past(project, stream).addCallback(lambda found: found or failure)

        read: Deferred[Any] = self._streams.get(project, stream)
        read.addErrback(self._elsewhere, GetCall(project, stream), Found)
        return read.addErrback(ended)

    # Producers

    def tell(self, stop: Stop) -> None:
        """
        Tell the producer of a stream to stop, at whichever other node it is.
        """
        call = StopCall(stop.stream, stop.topic, stop.epoch, stop.state, stop.by, stop.reason)
        self._nodes.tell(KIND, encode(call))

    def lost(self, answer: Answer, stopped: Stopped | None) -> None:
        """
        Note what tells the producer of a stream to stop that another node has taken over.
        """
        if stopped is None:
            return
        project, epoch = projectOf(answer.topic), answer.epoch
        self._stopped[project, answer.id, epoch] = stopped

        def learn(failure: Failure) -> None:
            """Tell the producer that it came too late."""
            error: Any = failure.value
            if isinstance(error, RealtimeError) and error.code in ("stream_ended", "stream_fenced"):
                state, by = error.details.get("state", STREAMING), error.details.get("by")
                self._stop(Stop(answer.id, answer.topic, epoch, state, by))

        self.beat(project, answer.id, epoch).addErrback(learn)

    def _stop(self, stop: Stop) -> None:
        project = projectOf(stop.topic)
        stopped = self._stopped.pop((project, stop.stream, stop.epoch), None)
        if stopped is not None:
            stopped(stop)
        elif (project, stop.stream) in self._starting:
            self._early[project, stop.stream] = stop

    # The other nodes

    def _elsewhere(self, failure: Failure, call: Call, kind: Any) -> Any:
        """
        Ask the other nodes, if a stream does not run here.

        @param kind: The type of the result.
        """
        if not _isUnknown(failure) or self._nodes.isAlone:
            return failure
        patience = COPYING if isinstance(call, CopyCall) else PATIENCE
        asked: Deferred[Any] = self._nodes.ask(KIND, encode(call), patience)
        return asked.addCallback(self._choose, failure, call, kind)

    def _choose(
        self, answers: Mapping[str, bytes | None], failure: Failure, call: Any, kind: Any
    ) -> Any:
        """Take the answer of the node that knows the stream."""
        for data in answers.values():
            answer = None if data is None else decodeReply(data)
            if answer is None or answer.code == _UNKNOWN:
                continue
            if answer.code:
                answer.raiseError()
            return msgspec.msgpack.decode(answer.value, type=kind)
        # Others take over the streams of a node that was not heard for long.
        if {name for name, data in answers.items() if data is None} - set(self.silent()):
            raise RealtimeError(
                "engine_unavailable", "A daemon that may have the stream did not answer.", 1000
            )
        if isinstance(call, StartCall):
            coming = self.isComing(topicOf(call.topic).project, call.request.stream or "")
        else:
            coming = self.isComing(call.project, call.stream)

        def decide(isComing: bool) -> Failure:
            if isComing:
                raise RealtimeError(
                    "engine_unavailable",
                    "The daemon that had the stream is gone, and another one takes it over.",
                    1000,
                )
            return failure

        return coming.addCallback(decide)

    def _serve(self, data: bytes, timeout: float) -> Deferred[bytes]:
        """Answer another node."""
        done = maybeDeferred(self._do, decodeCall(data))
        return done.addCallbacks(lambda value: encode(Reply(encode(value))), _refuse)

    def _do(self, call: Any) -> Any:
        streams = self._streams
        if isinstance(call, StopCall):
            return self._stop(call.stop)
        if isinstance(call, StartCall):
            topic = topicOf(call.topic)
            stopped = self.tell if call.isTold else None
            if streams.isOver(topic.project, call.request.stream):
                # It says so.
                return streams.start(topic, call.request, stopped)
            # It is not begun here only because another node has asked.
            known: Deferred[Any] = streams.find(topic.project, call.request.stream)
            return known.addCallback(lambda _: streams.start(topic, call.request, stopped))
        if isinstance(call, AppendCall):
            operations = [each.operation for each in call.operations]
            return streams.append(call.project, call.stream, call.epoch, operations)
        if isinstance(call, EndCall):
            return streams.end(call.project, call.stream, call.epoch, call.end, call.whole)
        if isinstance(call, BeatCall):
            return streams.beat(call.project, call.stream, call.epoch)
        if isinstance(call, LeaveCall):
            return streams.leave(call.project, call.stream, call.epoch, self.tell)
        if isinstance(call, FindCall):
            return streams.find(call.project, call.stream)
        if isinstance(call, CancelCall):
            return streams.cancel(call.project, call.stream, call.by)
        if isinstance(call, CopyCall):
            return streams.copy(call.project, call.stream, call.place)
        return streams.get(call.project, call.stream)


def _isUnknown(failure: Failure) -> bool:
    error = failure.value
    return isinstance(error, RealtimeError) and error.code == _UNKNOWN


def _refuse(failure: Failure) -> bytes:
    failure.trap(RealtimeError)
    error: Any = failure.value
    return encode(Reply(b"", error.code, error.message, error.retryAfter, dict(error.details)))
