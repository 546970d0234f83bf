"""
Lets the clients of workers produce token streams at the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.answers.answers import Answers
from aerostack.core.answers.requests import Ended, Facts, Stop, goesOn
from aerostack.core.replay.publications import Publication
from aerostack.core.topics.topics import projectOf, topicOf
from aerostack.interfaces.streams import IStreams
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.streams import (
    AppendStream,
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
    StartStream,
    StopStream,
    StreamCopied,
    StreamEnded,
    StreamFacts,
    StreamGrown,
    StreamRead,
    StreamStarted,
    streamStarted,
)

Stopped = Callable[[Stop], object]
"""Tells a producer that it is to send no more."""

T = TypeVar("T")


class WorkerStreams:
    """
    Passes what workers ask of token streams on, in the order in which it comes.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(self, streams: IStreams, answers: Answers) -> None:
        """
        @param answers: The streams that run here.
        """
        self._streams = streams
        self._answers = answers
        # By link, the streams that its clients produce, by their projects, ids and epochs, with
        # what tells the client to stop.
        self._produced: dict[Link, dict[tuple[str, str, int], Stopped]] = {}
        # By link, the topics of which it was sent streams when it attached them.
        self._greeted: dict[Link, set[str]] = {}
        # By link, how many subscribers topics have.
        self._watchers: dict[Link, dict[str, int]] = {}
        # The links of workers that are gone.  A stream may still begin that one has asked for.
        self._lost: WeakSet[Link] = WeakSet()
        self.handlers: Mapping[type, Callable[[Link, Any], Any]] = {
            StartStream: self._start,
            AppendStream: self._append,
            EndStream: self._end,
            BeatStream: self._beat,
            LeaveStream: self._leave,
            FindStream: self._find,
            CancelStream: self._cancel,
            GetStream: self._get,
            CopyStream: self._copy,
        }

    def greet(self, link: Link, topic: str) -> None:
        """
        Send a worker the streams that run on a topic which the worker attaches.
        """
        running = self._answers.of(topic)
        greeted = self._greeted.setdefault(link, set())
        if topic in greeted:
            link.send(ClearStreams(topic))
            greeted.discard(topic)
        if running:
            greeted.add(topic)
        for answer in running:
            link.send(RunningStream(topic, answer.id, answer.began, answer.head))
            for part in answer.parts.values():
                for start, text, _ in part.pieces(0, part.shown):
                    link.send(
                        RunningText(
                            topic, answer.id, part.name, part.kind, start, text, part.edition
                        )
                    )
                if part.value is not None:
                    link.send(RunningValue(topic, answer.id, part.name, part.kind, part.value))

    def note(self, link: Link, watchers: dict[str, int]) -> None:
        """
        Note how many subscribers a worker has, by the topics on which streams run.
        """
        self._watchers[link] = watchers

    def watchers(self, topic: str) -> int:
        """
        How many subscribers a canonical topic has in all workers, as far as streams run on it.
        """
        return sum(counts.get(topic, 0) for counts in self._watchers.values())

    def lost(self, link: Link) -> None:
        """
        Note that the connections of a worker's clients are gone.
        """
        self._lost.add(link)
        self._watchers.pop(link, None)
        self._greeted.pop(link, None)
        for (project, stream, epoch), stopped in self._produced.pop(link, {}).items():
            self._streams.leave(project, stream, epoch, stopped)

    def _start(self, link: Link, message: StartStream) -> Deferred[StreamStarted]:
        topic = topicOf(message.topic)

        def stopped(stop: Stop) -> None:
            self._forget(link, topic.project, stop.stream, stop.epoch)
            link.send(
                StopStream(
                    message.number,
                    stop.stream,
                    stop.topic,
                    stop.epoch,
                    stop.state,
                    stop.by,
                    stop.reason,
                )
            )

        def started(answer: Any) -> StreamStarted:
            if message.number and link in self._lost:
                self._streams.leave(topic.project, answer.stream, answer.epoch, stopped)
            elif message.number:
                produced = topic.project, answer.stream, answer.epoch
                self._produced.setdefault(link, {})[produced] = stopped
            return streamStarted(answer)

        asked: Deferred[Any] = self._streams.start(
            topic, message.request, stopped if message.number else None
        )
        return asked.addCallback(started)

    def _forget(self, link: Link, project: str, stream: str, epoch: int) -> Stopped | None:
        produced = self._produced.get(link)
        if produced is None:
            return None
        stopped = produced.pop((project, stream, epoch), None)
        if not produced:
            del self._produced[link]
        return stopped

    def _append(self, link: Link, message: AppendStream) -> Deferred[StreamGrown]:
        operations = [each.operation for each in message.operations]
        asked: Deferred[Any] = self._streams.append(
            message.project, message.stream, message.epoch, operations
        )
        return asked.addCallback(StreamGrown)

    def _end(self, link: Link, message: EndStream) -> Deferred[StreamEnded]:
        place = message.project, message.stream, message.epoch

        def answered(result: T) -> T:
            if not (isinstance(result, Failure) and goesOn(result.value)):
                self._forget(link, *place)
            return result

        asked: Deferred[Any] = self._streams.end(*place, message.end, message.whole)
        return asked.addBoth(answered).addCallback(_ended)

    def _beat(self, link: Link, message: BeatStream) -> Deferred[StreamStarted]:
        asked: Deferred[Any] = self._streams.beat(message.project, message.stream, message.epoch)
        return asked.addCallback(streamStarted)

    def _leave(self, link: Link, message: LeaveStream) -> None:
        stopped = self._forget(link, message.project, message.stream, message.epoch)
        if stopped is not None:
            self._streams.leave(message.project, message.stream, message.epoch, stopped)

    def _find(self, link: Link, message: FindStream) -> Deferred[StreamFacts]:
        def found(facts: Facts) -> StreamFacts:
            return StreamFacts(facts.topic, facts.owner, facts.cancel)

        asked: Deferred[Any] = self._streams.find(message.project, message.stream)
        return asked.addCallback(found)

    def _cancel(self, link: Link, message: CancelStream) -> Deferred[StreamEnded]:
        asked: Deferred[Any] = self._streams.cancel(message.project, message.stream, message.by)
        return asked.addCallback(_ended)

    def _copy(self, link: Link, message: CopyStream) -> Deferred[StreamCopied]:
        asked: Deferred[Any] = self._streams.copy(message.project, message.stream, message.place)
        return asked.addCallback(StreamCopied)

    def _get(self, link: Link, message: GetStream) -> Deferred[StreamRead]:
        asked: Deferred[Any] = self._streams.get(message.project, message.stream)
        return asked.addCallback(lambda found: StreamRead(found.topic, found.data))


def _ended(ended: Ended) -> StreamEnded:
    return StreamEnded(ended.stream, ended.state, ended.kept)


class OtherStreams:
    """
    The token streams of other nodes, as far as they come over topics that workers have attached.
    They are kept for workers that attach the topic later.
    """

    def __init__(
        self, clock: IReactorTime, answers: Answers, forget: Callable[[str], object]
    ) -> None:
        """
        @param answers: The streams that run here.  Those of other nodes are entered there.
        @param forget: Forgets the streams of other nodes that run on a topic.
        """
        self.left = forget
        self._clock = clock
        self._answers = answers

    def take(self, publication: Publication) -> None:
        """
        Take what may be a part of a stream.
        """
        mark, topic = publication.stream, publication.topic
        if mark is None:
            return
        known = self._answers.get(projectOf(topic), mark.stream)
        if known is None or not known.isOver:
            self._answers.take(publication, self._clock.seconds())
