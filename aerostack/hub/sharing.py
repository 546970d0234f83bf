"""
Topics that several nodes share over an engine: what is published here goes to the engine, and what
comes from the engine goes into this process's logs and to its subscribers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import PRESENCE, Kept, Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.replay.sharedlog import SharedLog
from aerostack.core.replay.tags import keptTag, publishedTag, serialTag
from aerostack.core.topics.topics import topicOf
from aerostack.hub.following import FollowedTopics
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.engine import ILog, ILogFeed, ILogReceiver
from aerostack.interfaces.messaging import IEngine
from aerostack.interfaces.sharing import ISharedReceiver
from aerostack.protocol.codec import encodeValue

PAGE = 500
"""How many entries the process reads at once."""

PAGE_BYTES = 262_144
"""About how many bytes of entries it reads at once."""


@implementer(IEngine)
class SharedEngine:
    """
    Takes publications to a log that nodes share.
    """

    def __init__(self, log: ILog, run: str) -> None:
        """
        @param run: The name of this run of the node.
        """
        self._log = log
        self._run = run
        self._serial = 0
        self._receive: Callable[[Publication], None] | None = None

    def start(self, receive: Callable[[Publication], None]) -> None:
        self._receive = receive

    def publish(
        self, publication: Publication, key: Any = None, kept: Kept | None = None
    ) -> Deferred[None] | None:
        if self._receive is None:
            raise RuntimeError("the engine is not started")
        if publication.kind == PRESENCE:
            # The roster of each node knows the members.
            self._receive(publication)
            return None
        repeat = None if key is None else _repeatOf(key)
        topic, before = publication.topic, None
        if kept is not None:
            tag, before = keptTag(topic, kept.message.id), kept.before
        elif repeat is not None:
            tag = publishedTag(topic, publication.userId, repeat, b"")
        else:
            self._serial += 1
            tag = serialTag(self._run, self._serial)
        placed: Deferred[Any] = self._log.publish(publication, tag, repeat, before)
        return placed.addCallback(lambda _: None)


def _repeatOf(key: Any) -> str:
    """Write the key of a publication (see L{Publisher}) as every node writes it."""
    _, repeatKey, fingerprint, persist = key
    text: str = encodeValue([*repeatKey, fingerprint.hex(), persist]).decode()
    return text


@implementer(ILogReceiver)
class SharedLogs(FollowedTopics):
    """
    The topics that a process follows for its own clients, with the logs in this process.
    """

    def __init__(self, clock: IReactorTime, feed: ILogFeed, sequencer: Sequencer) -> None:
        """
        @param sequencer: Has this process's logs.
        """
        super().__init__(clock, feed)
        self._receiver: ISharedReceiver
        self._sequencer = sequencer
        # By log that is being filled, the callers that wait for it.
        self._filling: dict[SharedLog, list[Deferred[None]]] = {}

    def start(self, receiver: ISharedReceiver) -> None:
        """
        Begin.

        @param receiver: Gets what comes of attached topics.
        """
        self._receiver = receiver
        self._feed.start(self)

    def topics(self) -> list[str]:
        logs = self._sequencer.logs
        return [topic for topic in self._attached if isinstance(logs.get(topic), SharedLog)]

    def headOf(self, topic: str) -> Position | None:
        log = self._sequencer.logs.get(topic)
        return log.position if isinstance(log, SharedLog) else None

    def begin(self, topic: str, head: Position) -> None:
        self._sequencer.shareLog(topic, head)

    def fill(self, topic: str) -> Deferred[None] | None:
        log = self._sequencer.logs.get(topic)
        if not isinstance(log, SharedLog) or log.isFilled:
            return None
        waiting = self._filling.get(log)
        if waiting is None:
            waiting = self._filling[log] = []
            Deferred.fromCoroutine(self._fill(topic, log)).addBoth(self._filled, log)
        waited: Deferred[None] = Deferred()
        waiting.append(waited)
        return waited

    async def _fill(self, topic: str, log: SharedLog) -> None:
        """Read what the server has from before a log began, and put it in front."""
        entries: list[SharedEntry] = []
        after, until = 0, log.begin
        while after < until:
            page: list[SharedEntry] = await self._feed.read(topic, after, until, PAGE, PAGE_BYTES)
            if not page:
                break
            if page[0].position.offset != after + 1:
                # The server has dropped what was read before.
                entries.clear()
            entries += page
            after = page[-1].position.offset or 0
        self._sequencer.fillSharedLog(topic, log, entries)

    def _filled(self, result: Any, log: SharedLog) -> None:
        for waited in self._filling.pop(log):
            if isinstance(result, Failure):
                waited.errback(result)
            else:
                waited.callback(None)

    # aerostack.interfaces.engine.ILogReceiver

    def received(self, topic: str, entry: SharedEntry) -> None:
        self._receiver.received(entry)

    def broken(self, topic: str, head: Position, reason: str) -> None:
        known = None
        if topicOf(topic).table is None:
            known = self.headOf(topic)
            self.begin(topic, head)
        self._receiver.broken(topic, known, reason)

    def down(self, reason: str) -> None:
        self._receiver.down()

    def up(self) -> None:
        self._receiver.up()
