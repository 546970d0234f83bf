"""
The token streams of a worker, which run at the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.answers.answer import Answer, End, Terms
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.copying import Page, Place
from aerostack.core.answers.requests import (
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
from aerostack.core.topics.topics import Topic, projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.streams import IStreams
from aerostack.workers.channel import ChannelLost
from aerostack.workers.frames import FrameError
from aerostack.workers.messages.streams import (
    BeatStream,
    CancelStream,
    ClearStreams,
    CopyStream,
    EndStream,
    FindStream,
    GetStream,
    LeaveStream,
    RunningStream,
    RunningText,
    RunningValue,
    StopStream,
    StreamCopied,
    StreamEnded,
    StreamFacts,
    StreamGrown,
    StreamRead,
    StreamStarted,
    appendStream,
    startStream,
)
from aerostack.workers.worker.links import HubLink

T = TypeVar("T")


@implementer(ILogSource)
class StreamedLogs:
    """
    Attaches topics, and forgets the streams of those that are detached.
    """

    def __init__(self, logs: ILogSource, answers: Answers) -> None:
        self._logs = logs
        self._answers = answers
        self.attach = logs.attach
        self.fill = logs.fill

    def detach(self, topic: str) -> None:
        """
        See L{ILogSource.detach}.
        """
        self._answers.drop(topic)
        self._logs.detach(topic)


@implementer(IStreams)
class RemoteStreams:
    """
    Asks the hub for what producers want, and takes up the streams that run on topics which this
    worker attaches.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, hub: HubLink, answers: Answers) -> None:
        """
        @param answers: Gets the streams of attached topics.
        """
        self._hub = hub
        self._answers = answers
        self._number = 0
        # By number, what tells a producer to stop; and the number of each by its stream's project,
        # id and epoch.
        self._stopped: dict[int, Callable[[Stop], object]] = {}
        self._numbers: dict[tuple[str, str, int], int] = {}
        self.handlers: Mapping[type, Callable[[Any], None]] = {
            StopStream: self._stop,
            ClearStreams: lambda message: answers.drop(message.topic),
            RunningStream: self._enter,
            RunningText: self._grow,
            RunningValue: self._put,
        }

    # IStreams

    def start(
        self,
        topic: Topic,
        request: StartRequest,
        stopped: Callable[[Stop], object] | None = None,
    ) -> Deferred[Started]:
        """
        See L{IStreams.start}.
        """
        number = 0
        if stopped is not None:
            self._number = number = self._number + 1
            self._stopped[number] = stopped

        def started(answer: StreamStarted) -> Started:
            if number in self._stopped:
                key = topic.project, answer.stream, answer.epoch
                self._stopped.pop(self._numbers.get(key, 0), None)
                self._numbers[key] = number
            return answer.started

        def failed(failure: Failure) -> Failure:
            self._stopped.pop(number, None)
            return failure

        asked = self._ask(startStream(topic.canonical, number, request))
        return asked.addCallbacks(started, failed)

    def append(
        self, project: str, stream: str, epoch: int, operations: Sequence[Operation]
    ) -> Deferred[dict[str, int]]:
        """
        See L{IStreams.append}.
        """

        def grown(answer: StreamGrown) -> dict[str, int]:
            return answer.length

        return self._ask(appendStream(project, stream, epoch, operations)).addCallback(grown)

    def end(
        self, project: str, stream: str, epoch: int, end: End, whole: Whole | None = None
    ) -> Deferred[Ended]:
        """
        See L{IStreams.end}.
        """

        def answered(result: T) -> T:
            if not (isinstance(result, Failure) and goesOn(result.value)):
                self._forget(project, stream, epoch)
            return result

        question = EndStream(project, stream, epoch, end.state, end.reason, end.usage, whole)
        return self._ask(question).addBoth(answered).addCallback(_ended)

    def beat(self, project: str, stream: str, epoch: int) -> Deferred[Started]:
        """
        See L{IStreams.beat}.
        """

        def known(answer: StreamStarted) -> Started:
            return answer.started

        return self._ask(BeatStream(project, stream, epoch)).addCallback(known)

    def leave(
        self, project: str, stream: str, epoch: int, stopped: Callable[[Stop], object] | None
    ) -> Deferred[None]:
        """
        See L{IStreams.leave}.
        """
        number = self._numbers.get((project, stream, epoch), 0)
        if self._stopped.get(number) == stopped:
            self._forget(project, stream, epoch)
            self._hub.send(LeaveStream(project, stream, epoch))
        return succeed(None)

    def find(self, project: str, stream: str) -> Deferred[Facts]:
        """
        See L{IStreams.find}.
        """

        def found(answer: StreamFacts) -> Facts:
            return answer.facts

        return self._ask(FindStream(project, stream)).addCallback(found)

    def cancel(self, project: str, stream: str, by: str | None) -> Deferred[Ended]:
        """
        See L{IStreams.cancel}.
        """
        return self._ask(CancelStream(project, stream, by)).addCallback(_ended)

    def copy(self, project: str, stream: str, place: Place) -> Deferred[Page]:
        """
        See L{IStreams.copy}.
        """

        def copied(answer: StreamCopied) -> Page:
            return answer.page

        return self._ask(CopyStream(project, stream, place)).addCallback(copied)

    def get(self, project: str, stream: str) -> Deferred[Found]:
        """
        See L{IStreams.get}.
        """

        def read(answer: StreamRead) -> Found:
            return answer.found

        return self._ask(GetStream(project, stream)).addCallback(read)

    def _ask(self, question: Struct) -> Deferred[Any]:
        try:
            # The hub answers an end after the commit, however long that takes.
            return self._hub.ask(question, None).addErrback(_unavailable)
        except FrameError as error:
            return fail(RealtimeError("too_large", f"This cannot be streamed: {error}."))

    # From the hub

    def _stop(self, message: StopStream) -> None:
        stopped = self._stopped.pop(message.number, None)
        self._forget(projectOf(message.topic), message.stream, message.epoch)
        if stopped is not None:
            stopped(message.stop)

    def _forget(self, project: str, stream: str, epoch: int) -> None:
        number = self._numbers.pop((project, stream, epoch), None)
        if number is not None:
            self._stopped.pop(number, None)

    def _enter(self, message: RunningStream) -> None:
        answer = Answer(message.stream, message.stream, message.topic, Terms(), message.began)
        answer.head = message.head
        answer.isShown = answer.isMirror = True
        self._answers.enter(answer)

    def _grow(self, message: RunningText) -> None:
        answer = self._answers.get(projectOf(message.topic), message.stream)
        if answer is not None:
            answer.show(message.part, message.kind, message.at, message.text, message.edition)
            self._answers.count(answer)

    def _put(self, message: RunningValue) -> None:
        answer = self._answers.get(projectOf(message.topic), message.stream)
        if answer is not None:
            answer.put(message.part, message.kind, message.value)
            self._answers.count(answer)


def _ended(answer: StreamEnded) -> Ended:
    return answer.ended


def _unavailable(failure: Failure) -> Failure:
    if failure.check(ChannelLost):
        return Failure(RealtimeError("engine_unavailable", "The daemon's hub is gone.", 1000))
    return failure
