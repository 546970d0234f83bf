"""
Brings the entries of logs that nodes share from the hub to the workers that want them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.hub.attachments import Attachments
from aerostack.hub.heads import SharedHeads
from aerostack.interfaces.engine import ILogFeed, ILogReceiver
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.publishing import IReceiver
from aerostack.workers.frames import Codec
from aerostack.workers.hub.links import Link
from aerostack.workers.hub.relay import Greet
from aerostack.workers.hub.streams import OtherStreams
from aerostack.workers.hub.topics import WorkerTopics
from aerostack.workers.messages.logs import Behind, Detach, published
from aerostack.workers.messages.sharing import (
    Broken,
    EngineDown,
    EngineUp,
    EntriesRead,
    Follow,
    Followed,
    ReadEntries,
    entered,
    placeOf,
)


@implementer(IReceiver, ILogReceiver)
class SharedRelay:
    """
    Attaches topics for workers, and sends each entry to every worker that has attached its topic.

    A topic that several workers want is followed once.  An entry is packed once.

    @ivar published: How many events and messages came.
    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(
        self,
        clock: IReactorTime,
        codec: Codec,
        feed: ILogFeed,
        heads: SharedHeads,
        source: ILogSource,
        greet: Greet,
        streams: OtherStreams,
    ) -> None:
        """
        @param codec: Knows the messages between the hub and its workers.
        @param feed: Has the logs.
        @param heads: Follows topics there, and tells this relay what comes.
        @param source: Attaches topics at C{heads} together with their members.
        @param greet: See L{Greet}.
        @param streams: Keeps the token streams of other nodes.
        """
        self.published = 0
        self._codec = codec
        self._feed = feed
        self._heads = heads
        self._greet = greet
        self._streams = streams
        # It counts one user for all workers that have attached a topic, and one for each question
        # that waits.
        self._attachments = Attachments(source)
        self._workers = WorkerTopics(clock, self._left)
        # By link, and by topic that it asks for, the question that waits.
        self._asked: dict[Link, dict[str, Follow]] = {}
        # The workers that were started.
        self._links: dict[Link, None] = {}
        self._state: EngineUp | EngineDown = EngineDown()
        self.backlog = self._workers.backlog
        self.handlers: Mapping[type, Callable[[Link, Any], Any]] = {
            Follow: self._follow,
            Detach: self._detach,
            ReadEntries: self._read,
            Behind: self._workers.noteBehind,
        }

    @property
    def attached(self) -> KeysView[str]:
        """The canonical topics that workers have attached, now and later."""
        return self._workers.attached

    def joined(self, link: Link) -> None:
        """
        Serve a worker that was started.
        """
        self._links[link] = None
        link.send(self._state)

    def lost(self, link: Link) -> None:
        """
        Detach all topics of a worker that is gone.
        """
        del self._links[link]
        self._asked.pop(link, None)
        self._workers.lost(link)

    # IReceiver

    def deliver(self, publication: Publication) -> None:
        """
        Send a change of a topic's members.  Everything else comes as an entry.
        """
        links = self._workers.links(publication.topic)
        if links:
            self._send(links, published(publication, False))

    def needs(self, topic: str) -> bool:
        # The logs are in the workers.
        return False

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

    # ILogReceiver

    def received(self, topic: str, entry: SharedEntry) -> None:
        self.published += 1
        links = self._workers.links(topic)
        if links:
            self._streams.take(entry.publication)
            self._send(links, entered(entry))

    def broken(self, topic: str, head: Position, reason: str) -> None:
        self._send(self._workers.links(topic), Broken(topic, placeOf(head), reason))

    def down(self, reason: str) -> None:
        self._tell(EngineDown())

    def up(self) -> None:
        self._tell(EngineUp())

    def _tell(self, state: EngineUp | EngineDown) -> None:
        self._state = state
        self._send(self._links, state)

    def _send(self, links: Iterable[Link], message: Struct) -> None:
        frame = self._codec.encode(message)
        for link in links:
            link.sendFrame(frame)

    # What workers ask

    def _follow(self, link: Link, question: Follow) -> Followed | Deferred[Followed]:
        topic = question.topic
        asked = self._asked.setdefault(link, {})
        if topic in asked or link in self._workers.links(topic):
            raise ValueError(f"a worker has attached {topic!r} already")
        if question.known is not None and topic not in self._attachments:
            self._heads.expect(topic, question.known.position)
        attaching = self._attachments.attach(topic)
        if attaching is None:
            return self._begin(link, topic)
        asked[topic] = question
        return attaching.addCallbacks(
            partial(self._attached, link, question), partial(self._refused, link, question)
        )

    def _attached(self, link: Link, question: Follow, _: None) -> Followed:
        if not self._end(link, question):
            # The worker has detached it meanwhile, or is gone.
            self._attachments.release(question.topic)
            return Followed(None)
        return self._begin(link, question.topic)

    def _refused(self, link: Link, question: Follow, failure: Failure) -> Failure:
        self._end(link, question)
        return failure

    def _end(self, link: Link, question: Follow) -> bool:
        """
        Wait for a topic no longer.

        @return: Whether the worker still waits for it.
        """
        asked = self._asked.get(link, {})
        if asked.get(question.topic) is not question:
            return False
        del asked[question.topic]
        return True

    def _begin(self, link: Link, topic: str) -> Followed:
        if topic in self._workers:
            self._attachments.release(topic)
        self._greet(link, topic)
        self._workers.add(link, topic)
        head = self._heads.headOf(topic)
        return Followed(None if head is None else placeOf(head))

    def _detach(self, link: Link, message: Detach) -> None:
        if self._asked.get(link, {}).pop(message.topic, None) is None:
            self._workers.remove(link, message.topic)

    def _left(self, topic: str) -> None:
        """Note that the last worker has detached a topic."""
        self._streams.left(topic)
        self._attachments.release(topic)

    async def _readEntries(self, link: Link, question: ReadEntries) -> EntriesRead:
        drained = link.whenDrained()
        if drained is not None:
            await drained
        found: list[SharedEntry] = await self._feed.read(
            question.topic, question.after, question.until, question.limit, question.size
        )
        return EntriesRead([entered(each) for each in found])

    def _read(self, link: Link, question: ReadEntries) -> Deferred[EntriesRead]:
        return Deferred.fromCoroutine(self._readEntries(link, question))
