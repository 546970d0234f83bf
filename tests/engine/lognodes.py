"""
Nodes that follow logs of L{ILog}, and what they publish, for tests.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Message, Publication
from aerostack.core.replay.shared import Placed, SharedEntry
from aerostack.core.replay.tags import serialTag
from aerostack.interfaces.engine import ILogReceiver
from aerostack.testing.history import MemoryHistory

TOPIC = "chat/a/p"
DEPTH = Depth(100, 1_000_000, 300.0)
WINDOW = 120.0


def publication(data: object, topic: str = TOPIC, mark: int | None = None) -> Publication:
    """
    Something to publish.
    """
    text = data if isinstance(data, bytes) else str(data).encode()
    return Publication(topic, EVENT, "e", text, None, 1_000, mark)


@implementer(ILogReceiver)
class Node:
    """
    A node that writes down what its log brings.

    @ivar log: Its log.
    @ivar entries: What it received, by topic.
    @ivar heads: By topic, the place from which the next entry goes on.
    @ivar breaks: The breaks that it got: topic, head and reason.
    @ivar states: When the engine was down and up.
    @ivar mistakes: Entries that do not follow those before them.
    """

    def __init__(self, log: Any, run: str) -> None:
        self.log = log
        self.run = run
        self.entries: dict[str, list[SharedEntry]] = {}
        self.heads: dict[str, Position] = {}
        self.breaks: list[tuple[str, Position, str]] = []
        self.states: list[str] = []
        self.mistakes: list[str] = []
        self._serial = 0
        log.start(self)

    def received(self, topic: str, entry: SharedEntry) -> None:
        head, place = self.heads.get(topic), entry.position
        if head is None:
            self.mistakes.append(f"{topic} is not followed: {entry}")
        elif (place.epoch, place.offset) != (head.epoch, (head.offset or 0) + 1):
            self.mistakes.append(f"{head} is followed by {place}")
        elif entry.before != head.tag:
            self.mistakes.append(f"{head} is followed by {place}, which follows {entry.before}")
        self.heads[topic] = place
        self.entries.setdefault(topic, []).append(entry)

    def broken(self, topic: str, head: Position, reason: str) -> None:
        self.heads[topic] = head
        self.breaks.append((topic, head, reason))

    def down(self, reason: str) -> None:
        self.states.append("down")

    def up(self) -> None:
        self.states.append("up")

    async def attach(self, topic: str = TOPIC, known: Position | None = None) -> Position:
        """
        Follow a topic, and write down from where it goes on.
        """
        head: Position = await self.log.attach(topic, known)
        self.heads[topic] = head
        return head

    def detach(self, topic: str = TOPIC) -> None:
        """
        Follow a topic no longer.
        """
        self.log.detach(topic)
        self.heads.pop(topic, None)

    def publish(
        self,
        data: object,
        topic: str = TOPIC,
        mark: int | None = None,
        prev: int | None = None,
        repeat: str | None = None,
        tag: str | None = None,
    ) -> Deferred[Placed]:
        """
        Publish something, with a tag of its own unless another is given.
        """
        self._serial += 1
        sent = publication(data, topic, mark)
        placed: Deferred[Placed] = self.log.publish(
            sent, tag or serialTag(self.run, self._serial), repeat, prev
        )
        return placed

    def data(self, topic: str = TOPIC) -> list[str]:
        """
        What it received on a topic.
        """
        return [entry.publication.data.decode() for entry in self.entries.get(topic, ())]

    def offsets(self, topic: str = TOPIC) -> list[int | None]:
        """
        The offsets of what it received on a topic.
        """
        return [entry.position.offset for entry in self.entries.get(topic, ())]


def keep(history: MemoryHistory, mark: int, data: object = None, topic: str = TOPIC) -> None:
    """
    Commit a message under a mark.
    """
    text = str(mark if data is None else data).encode()
    history.append(Message(f"m{mark}", topic, EVENT, "e", text, None, mark))
