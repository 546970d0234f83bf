"""
Presence that nodes share, as a worker has it over a channel to its hub.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct
from msgspec.json import decode
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from aerostack.core.answers.answers import Answers
from aerostack.core.presence import Member
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.hub.encoding import memberData
from aerostack.hub.heads import SharedHeads
from aerostack.hub.sequencing import Sequencer
from aerostack.hub.sharedtopics import SharedTopics
from aerostack.interfaces.engine import ILogFeed, ILogReceiver
from aerostack.interfaces.publishing import IReceiver
from aerostack.protocol.codec import encodeValue
from aerostack.testing.pipes import joinedPipes
from aerostack.workers.channel import Channel
from aerostack.workers.frames import Codec
from aerostack.workers.hub.presence import WorkerPresence
from aerostack.workers.hub.sharing import SharedRelay
from aerostack.workers.hub.streams import OtherStreams
from aerostack.workers.messages import logs, presence, sharing
from aerostack.workers.messages.sharing import ReadEntries
from aerostack.workers.worker.presence import PresentReceiver, RemoteRoster, RosterReplica
from aerostack.workers.worker.topics import RemoteSharedTopics
from tests.engine.rostercontract import RosterNode
from tests.workers.sharedlogs import End

KINDS = (*logs.KINDS, *presence.KINDS, *sharing.KINDS)
DEPTH = Depth(10, 10_000, 100.0)


@implementer(ILogFeed)
class EmptyFeed:
    """
    Has a log without entries for every topic.
    """

    isUp = True

    def start(self, receiver: ILogReceiver) -> None:
        pass

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        return succeed(Position("e", 0, 0))

    def detach(self, topic: str) -> None:
        pass

    def read(self, *asked: object) -> Deferred[list[Any]]:
        return succeed([])


class _Told(Struct):
    userId: str | None
    connectionId: str
    state: Raw
    since: int


@implementer(IReceiver)
class Notes:
    """
    Notes what a node's subscribers get.
    """

    def __init__(self, node: RosterNode) -> None:
        self._node = node

    def deliver(self, publication: Publication) -> None:
        told = decode(publication.data, type=_Told)
        member = Member(told.connectionId, told.userId, bytes(told.state), told.since)
        self._node.tell(publication.topic, publication.event, member)

    def needs(self, topic: str) -> bool:
        return False

    def backlog(self, topic: str) -> int:
        return 0

    def whenSent(self, topics: Any, call: Any) -> None:
        call()

    def sampleSent(self, topics: Any, call: Any) -> bool:
        return False


class Members(RosterReplica):
    """
    The sets at the worker; what workers do not have is that of the hub's sets.
    """

    def __init__(self, sets: Any) -> None:
        super().__init__()
        self._sets = sets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sets, name)


class WorkerRoster(RemoteRoster):
    """
    A worker's roster, which attaches topics; what workers do not have is that of the hub's roster.

    @ivar channel: To the hub.
    """

    def __init__(self, node: RosterNode, roster: Any, tell: list[Any]) -> None:
        """
        @param roster: The hub's.
        @param tell: Is to have what tells the subscribers of a topic.
        """
        self._roster = roster
        feed = EmptyFeed()
        heads = SharedHeads(reactor, feed)
        source = SharedTopics(reactor, heads, roster)
        codec = Codec(KINDS)
        served = WorkerPresence(reactor, roster, roster.rosters)
        streams = OtherStreams(reactor, Answers(), lambda topic: None)
        relay = SharedRelay(reactor, codec, feed, heads, source, served.sendMembers, streams)
        heads.start(relay)

        def publish(topic: str, event: str, member: Member) -> None:
            data = encodeValue(memberData(member))
            relay.deliver(Publication(topic, PRESENCE, event, data, member.userId, 0))

        tell.append(publish)
        hub, worker = (End(pipe, KINDS) for pipe in joinedPipes(reactor))
        hub.isHub, hub.handlers = True, {**relay.handlers, **served.handlers}
        self.channel: Channel = worker.channel
        node.members = replica = Members(roster.rosters)
        super().__init__(worker.channel, replica)
        policies = TopicPolicies([], TopicPolicy(DEPTH))
        own = TopicLogs(lambda topic: DEPTH, lambda: "w", 10_000_000)
        sequencer = Sequencer(reactor, lambda: 0, own, policies)
        topics = RemoteSharedTopics(reactor, worker.channel, sequencer, replica)
        topics.start(PresentReceiver(replica, Notes(node)), None)
        self._source = topics.source
        worker.handlers = {**topics.handlers, **replica.handlers}
        for end in (hub, worker):
            end.channel.start()

    def attach(self, topic: str) -> Deferred[None]:
        """
        Attach a topic.
        """
        return self._source.attach(topic)

    def detach(self, topic: str) -> None:
        """
        Detach a topic.
        """
        self._source.detach(topic)

    async def reach(self) -> None:
        """
        Wait until everything has arrived that either end has sent.
        """
        await self.channel.ask(ReadEntries("chat/none/p", 0, None, 1, 1), None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._roster, name)
