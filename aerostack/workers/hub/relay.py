"""
Brings publications from the hub to the workers that want them, and answers what workers ask of
topics' logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.topics.topics import topicOf
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.publishing import IReceiver
from aerostack.workers.frames import Codec
from aerostack.workers.hub.links import Link
from aerostack.workers.hub.topics import WorkerTopics
from aerostack.workers.messages.logs import (
    Attach,
    Attached,
    Behind,
    Detach,
    Elsewhere,
    Fill,
    PastEntry,
    PastPage,
    published,
)

PAGE = 65_536
"""How many bytes of a log one answer has, about; but one entry at least."""

Greet = Callable[[Link, str], object]
"""
Is called with the link of a worker and the canonical topic that it attaches, before the worker has
the answer and any publication: sends the worker the topic's members.
"""


@implementer(IReceiver)
class Relay:
    """
    Gives each publication its place in the topic's log, and sends it to every worker that has
    attached the topic.

    The publication is packed once.  The same bytes are the log's entry and go to all workers.

    @ivar published: How many events and messages there were.
    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(
        self, clock: IReactorTime, codec: Codec, sequencer: Sequencer, greet: Greet
    ) -> None:
        """
        @param codec: Knows the messages between the hub and its workers.
        @param sequencer: Has the topics' logs.
        @param greet: See L{Greet}.
        """
        self.published = 0
        self._clock = clock
        self._codec = codec
        self._sequencer = sequencer
        self._greet = greet
        self._workers = WorkerTopics(clock, self._left)
        self.backlog = self._workers.backlog
        self.lost = self._workers.lost
        self.handlers: Mapping[type, Callable[[Link, Any], Any]] = {
            Attach: self._attach,
            Detach: lambda link, message: self._workers.remove(link, message.topic),
            Fill: self._fill,
            Behind: self._workers.noteBehind,
        }

    @property
    def attached(self) -> KeysView[str]:
        """The canonical topics that workers have attached, now and later."""
        return self._workers.attached

    def links(self, topic: str) -> tuple[Link, ...]:
        """
        The workers that have attached a topic.
        """
        return self._workers.links(topic)

    # IReceiver

    def deliver(self, publication: Publication) -> None:
        if publication.kind != PRESENCE:
            self.published += 1
        links = self._workers.links(publication.topic)
        if publication.stream is not None or (
            publication.kind != PRESENCE and (links or self._sequencer.hasLog(publication.topic))
        ):
            frame = self._sequencer.placePacked(publication, self._pack)
        elif links:
            # Presence is state: it is no part of the topic's log.
            frame = self._pack(publication, False)
        for link in links:
            link.sendFrame(frame)

    def _pack(self, publication: Publication, seen: bool) -> bytes:
        return self._codec.encode(published(publication, seen))

    def needs(self, topic: str) -> bool:
        return topic in self._workers

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> None:
        """
        Call a function.  What was delivered is on its way to the workers: they measure for
        themselves when their clients have it.
        """
        call()

    def sampleSent(self, topics: Iterable[str], call: Callable[[], object]) -> bool:
        """
        See L{whenSent}.
        """
        call()
        return True

    # What workers ask

    def _attach(self, link: Link, message: Attach) -> Attached:
        topic = message.topic
        if link in self._workers.links(topic):
            raise ValueError(f"a worker has attached {topic!r} already")
        self._greet(link, topic)
        self._workers.add(link, topic)
        if topicOf(topic).table is not None:
            return Attached()
        log = self._sequencer.openLog(topic)
        self._sequencer.need(topic)
        return Attached(log.epoch, log.head, log.mark, log.seen)

    def _fill(self, link: Link, message: Fill) -> PastPage | Elsewhere:
        log = self._sequencer.logs.get(message.topic)
        if log is None or log.epoch != message.epoch:
            return Elsewhere()
        now = self._clock.seconds()
        log.trim(now)
        past = log.past(message.after, message.until, PAGE)
        return PastPage(
            past.first,
            past.base,
            past.lostOffset,
            past.lostMark,
            past.entries[0].offset if past.entries else message.until + 1,
            [PastEntry(entry.mark, now - entry.at, entry.frame) for entry in past.entries],
        )

    def _left(self, topic: str) -> None:
        """Note that the last worker has detached a topic."""
        if topicOf(topic).table is None:
            self._sequencer.release(topic)
