"""
Brings publications from the hub to the workers that want them, and answers what workers ask of
topics' logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.topics.topics import topicOf
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.publishing import IReceiver
from aerostack.workers.frames import Codec
from aerostack.workers.hub.links import Link
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

PIECE = 1000
"""How many topics of a lost worker are detached in one turn."""


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
        self,
        clock: IReactorTime,
        codec: Codec,
        sequencer: Sequencer,
        greet: Callable[[Link, str], object],
    ) -> None:
        """
        @param codec: Knows the messages between the hub and its workers.
        @param sequencer: Has the topics' logs.
        @param greet: Is called with the link of a worker and the canonical topic that it attaches,
            before the worker has the answer and any publication: sends the worker the topic's
            members.
        """
        self.published = 0
        self._clock = clock
        self._codec = codec
        self._sequencer = sequencer
        self._greet = greet
        # By topic, the links of the workers that have attached it.
        self._links: dict[str, tuple[Link, ...]] = {}
        self._topics: dict[Link, set[str]] = {}
        # By topic and link, how many bytes the worker has still to send to subscribers, if many.
        self._behind: dict[str, dict[Link, int]] = {}
        self.handlers: Mapping[type, Callable[[Link, Any], Any]] = {
            Attach: self._attach,
            Detach: self._detach,
            Fill: self._fill,
            Behind: self._noteBehind,
        }

    @property
    def attached(self) -> KeysView[str]:
        """The canonical topics that workers have attached, now and later."""
        return self._links.keys()

    # IReceiver

    def deliver(self, publication: Publication) -> None:
        if publication.kind != PRESENCE:
            self.published += 1
        links = self._links.get(publication.topic, ())
        if publication.kind != PRESENCE and (links or self._sequencer.hasLog(publication.topic)):
            frame = self._sequencer.placePacked(publication, self._pack)
        elif links:
            # Presence is state: it is no part of the topic's log.
            frame = self._pack(publication, False)
        for link in links:
            link.sendFrame(frame)

    def _pack(self, publication: Publication, seen: bool) -> bytes:
        return self._codec.encode(published(publication, seen))

    def needs(self, topic: str) -> bool:
        return topic in self._links

    def backlog(self, topic: str) -> int:
        """
        How many bytes the worker has still to take, or to send to the topic's subscribers, that
        is furthest behind of those concerned.
        """
        links = self._links.get(topic)
        if links is None:
            return 0
        behind = self._behind.get(topic)
        if behind is None:
            return max([link.unread for link in links])
        return max(link.unread + behind.get(link, 0) for link in links)

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> bool:
        """
        Call a function.  What was delivered is on its way to the workers: they measure for
        themselves when their clients have it.
        """
        call()
        return True

    # What workers ask

    def _attach(self, link: Link, message: Attach) -> Attached:
        topic = message.topic
        links = self._links.get(topic, ())
        if link in links:
            raise ValueError(f"a worker has attached {topic!r} already")
        self._greet(link, topic)
        self._links[topic] = (*links, link)
        self._topics.setdefault(link, set()).add(topic)
        if topicOf(topic).table is not None:
            return Attached()
        log = self._sequencer.openLog(topic)
        self._sequencer.need(topic)
        return Attached(log.epoch, log.head, log.mark, log.seen)

    def _detach(self, link: Link, message: Detach) -> None:
        topics = self._topics.get(link)
        if topics is not None and message.topic in topics:
            topics.remove(message.topic)
            self._leave(link, message.topic)

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

    def _noteBehind(self, link: Link, message: Behind) -> None:
        topic = message.topic
        if message.size and link in self._links.get(topic, ()):
            self._behind.setdefault(topic, {})[link] = message.size
        else:
            self._catchUp(link, topic)

    def _catchUp(self, link: Link, topic: str) -> None:
        """Note that a worker is not behind on a topic any more."""
        behind = self._behind.get(topic)
        if behind is not None and behind.pop(link, None) is not None and not behind:
            del self._behind[topic]

    # Workers that go

    def lost(self, link: Link) -> None:
        """
        Detach all topics of a worker that is gone, some in each turn.
        """
        self._forget(self._leaving(link, self._topics.pop(link, set())))

    def _forget(self, leaving: Iterator[None]) -> None:
        if next(leaving, True) is None:
            self._clock.callLater(0, self._forget, leaving)

    def _leaving(self, link: Link, topics: set[str]) -> Iterator[None]:
        rest = iter(topics)
        while some := tuple(islice(rest, PIECE)):
            for topic in some:
                self._leave(link, topic)
            yield

    def _leave(self, link: Link, topic: str) -> None:
        left = tuple(each for each in self._links[topic] if each is not link)
        self._catchUp(link, topic)
        if left:
            self._links[topic] = left
            return
        del self._links[topic]
        if topicOf(topic).table is None:
            self._sequencer.release(topic)
