"""
Presence of a hub and its workers, with as much of the topics' logs as presence needs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from aerostack.core.presence import Member, Presence
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.hub import roster
from aerostack.hub.roster import PresenceAuthority
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.publishing import IReceiver
from aerostack.workers.channel import Channel
from aerostack.workers.hub.presence import WorkerPresence
from aerostack.workers.worker.presence import (
    PresentLogs,
    PresentReceiver,
    RemoteRoster,
    RosterReplica,
)
from tests.workers.linked import KINDS, Linked

GRACE = 10.0


class Want(Struct, frozen=True, array_like=True, tag=120):
    """
    A worker attaches a topic.
    """

    topic: str


class Got(Struct, frozen=True, array_like=True, tag=121):
    """
    The topic is attached.
    """


class Leave(Struct, frozen=True, array_like=True, tag=122):
    """
    A worker detaches a topic.
    """

    topic: str


class Tell(Struct, frozen=True, array_like=True, tag=123):
    """
    The hub brings a publication.

    @ivar number: Counts all publications.
    """

    number: int
    topic: str
    event: str
    data: bytes
    userId: str | None


def plain(members: Any) -> list[Member]:
    """
    Members as workers know them.
    """
    return [replace(member, client=None) for member in members]


class Sender:
    """
    Brings publications to the workers that have attached their topics.

    @ivar then: For each publication, the members of its topic as they were at the hub.
    """

    def __init__(self) -> None:
        self.then: list[list[Member]] = []
        self.presence: Any = None
        self.members: Any = None
        self.refuses = False
        self._links: dict[str, list[Any]] = {}
        self.handlers = {Want: self._attach, Leave: self._detach}

    def checkBacklog(self, topic: str) -> None:
        """
        There is always room.
        """

    def publishPresence(self, topic: str, event: str, data: bytes, userId: str | None) -> None:
        """
        Publish a change.
        """
        self.then.append(plain(self.members.members(topic)))
        for link in self._links.get(topic, ()):
            link.send(Tell(len(self.then), topic, event, data, userId))

    def _attach(self, link: Any, question: Want) -> Got:
        links = self._links.setdefault(question.topic, [])
        assert link not in links, "it is attached already"
        self.presence.sendMembers(link, question.topic)
        links.append(link)
        return Got()

    def _detach(self, link: Any, message: Leave) -> None:
        self._links[message.topic].remove(link)

    def lost(self, link: Any) -> None:
        """
        Detach a worker from everything.
        """
        for links in self._links.values():
            if link in links:
                links.remove(link)


@implementer(ILogSource, IReceiver)
class Source:
    """
    Attaches topics, and notes what comes.

    @ivar heard: The numbers of the publications that were delivered.
    """

    def __init__(self, channel: Channel, sender: Sender) -> None:
        self.heard: list[int] = []
        self.replica = RosterReplica()
        self._channel = channel
        self._sender = sender
        self._attached: set[str] = set()
        self._asked: dict[str, object] = {}
        self._receiver = PresentReceiver(self.replica, self)
        self.handlers = {Tell: self._tell}
        # The members here when something was delivered, where they differed from the hub's.
        self.faults: list[tuple[Tell, list[Member]]] = []

    def attach(self, topic: str) -> Deferred[None]:
        asked = self._asked[topic] = object()

        def attached(_: Got) -> None:
            if self._asked.get(topic) is asked:
                del self._asked[topic]
                self._attached.add(topic)

        return self._channel.ask(Want(topic), 1000.0).addCallback(attached)

    def detach(self, topic: str) -> None:
        self._asked.pop(topic, None)
        self._attached.discard(topic)
        self._channel.send(Leave(topic))

    def fill(self, topic: str) -> None:
        return None

    def _tell(self, message: Tell) -> None:
        if message.topic not in self._attached:
            return
        self._number = message.number
        self._receiver.deliver(
            Publication(message.topic, PRESENCE, message.event, message.data, message.userId, 0)
        )
        here = list(self.replica.members(message.topic))
        if here != self._sender.then[message.number - 1]:
            self.faults.append((message, here))

    def deliver(self, publication: Publication) -> None:
        self.heard.append(self._number)

    def needs(self, topic: str) -> bool:
        return topic in self._attached

    def backlog(self, topic: str) -> int:
        return 0

    def whenSent(self, topics: Any, call: Any) -> None:
        call()

    def sampleSent(self, topics: Any, call: Any) -> bool:
        return False


class MemberMachine:
    """
    A hub that decides who is present, and its workers.

    @ivar authority: Decides.
    @ivar service: The hub's end.
    @ivar rosters: For each worker, what it asks.
    @ivar sources: For each worker, what attaches topics without their members.
    @ivar logs: For each worker, what attaches topics with their members.
    """

    def __init__(self, workers: int = 2) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.sender = Sender()
        publisher: Any = self.sender
        self.authority = PresenceAuthority(
            Presence(GRACE),
            self.clock.seconds,
            lambda: int(self.clock.seconds() * 1000),
            publisher,
        )
        self.members = self.sender.members = self.authority.rosters
        self.service = WorkerPresence(self.clock, self.authority, self.members)
        self.sender.presence = self.service
        self.rosters: list[RemoteRoster] = []
        self.sources: list[Source] = []
        self.logs: list[PresentLogs] = []
        self.linked = Linked(
            self.clock,
            (self.sender, self.service),
            self._makeWorker,
            (*KINDS, Want, Got, Leave, Tell),
        )
        self.settle = self.linked.settle
        for _ in range(workers):
            self.linked.add()

    def _makeWorker(self, channel: Channel) -> tuple[Any, ...]:
        source = Source(channel, self.sender)
        self.sources.append(source)
        self.logs.append(PresentLogs(source, source.replica))
        self.rosters.append(RemoteRoster(channel, source.replica))
        return source, source.replica

    def sweep(self) -> None:
        """
        End the presence of members whose grace is over, one after the other.  So at each
        publication the hub has the members that its receivers have.
        """
        with patch.object(roster, "PIECE", 1):
            for _ in self.authority.sweep():
                pass
