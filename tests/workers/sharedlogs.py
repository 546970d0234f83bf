"""
Logs that nodes share, as a worker has them over a channel to its hub.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.answers.answers import Answers
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import Placed, SharedEntry
from aerostack.hub.heads import SharedHeads
from aerostack.hub.sharedtopics import SharedTopics
from aerostack.interfaces.engine import ILog, ILogReceiver
from aerostack.testing.pipes import joinedPipes
from aerostack.workers.channel import Channel
from aerostack.workers.frames import Codec
from aerostack.workers.hub.sharing import SharedRelay
from aerostack.workers.hub.streams import OtherStreams
from aerostack.workers.messages import logs, sharing
from aerostack.workers.worker.backlogs import Backlogs
from aerostack.workers.worker.sharing import RemoteLog

KINDS = (*logs.KINDS, *sharing.KINDS)


class NoMembers:
    """
    Sets of members of topics where no client is present.
    """

    def attach(self, topic: str, isLate: bool = False) -> Deferred[None]:
        """See L{aerostack.hub.sharedtopics.SharedMembers.attach}."""
        return succeed(None)

    def detach(self, topic: str) -> None:
        """See L{aerostack.hub.sharedtopics.SharedMembers.detach}."""


class Unread:
    """
    Says that everything has been sent.
    """

    def backlog(self, topic: str) -> int:
        """See L{aerostack.interfaces.publishing.IReceiver.backlog}."""
        return 0


class End:
    """
    One end of the channel.
    """

    def __init__(self, pipe: Any, kinds: Sequence[Any] = KINDS, clock: Any = reactor) -> None:
        self.channel = Channel(clock, pipe, Codec(kinds), self)
        self.handlers: Any = {}
        self.isHub = False
        self.relay: Any = None

    def received(self, message: Any) -> None:
        self._call(message)

    def asked(self, question: Any) -> Any:
        return self._call(question)

    def _call(self, message: Any) -> Any:
        first = (self.channel,) if self.isHub else ()
        return self.handlers[type(message)](*first, message)

    def lost(self, reason: Failure) -> None:
        """The other end is gone."""
        if self.relay is not None:
            self.relay.lost(self.channel)


class Hub:
    """
    The hub of one node.

    @ivar relay: Its end of what workers follow.
    """

    def __init__(self, log: Any, clock: Any = reactor) -> None:
        """
        @param log: The node's log.
        """
        self._clock = clock
        self.heads = SharedHeads(clock, log)
        self.relay = SharedRelay(
            clock,
            Codec(KINDS),
            log,
            self.heads,
            SharedTopics(clock, self.heads, NoMembers()),
            lambda link, topic: None,
            OtherStreams(clock, Answers(), lambda topic: None),
        )
        self.heads.start(self.relay)

    def add(self) -> tuple[RemoteLog, Channel]:
        """
        Start a worker.

        @return: What it follows topics with, and its channel.
        """
        one, other = joinedPipes(self._clock)
        hub, worker = End(one, clock=self._clock), End(other, clock=self._clock)
        hub.isHub, hub.handlers = True, self.relay.handlers
        hub.relay = self.relay
        backlogs = Backlogs(self._clock, worker.channel)
        backlogs.start(Unread())
        remote = RemoteLog(worker.channel, backlogs)
        worker.handlers = remote.handlers
        for end in (hub, worker):
            end.channel.start()
        self.relay.joined(hub.channel)
        return remote, worker.channel


@implementer(ILog)
class WorkerLog:
    """
    The log of a node whose clients are at a worker.  Publications go to the hub's log, as the
    hub's publisher hands them over.
    """

    isUp = True

    def __init__(self, log: Any) -> None:
        """
        @param log: The hub's log, not yet started.
        """
        self._log = log
        self._remote: RemoteLog

    def start(self, receiver: ILogReceiver) -> None:
        self._remote, _ = Hub(self._log).add()
        self._remote.start(receiver)

    def stop(self) -> None:
        self._log.stop()

    def publish(
        self,
        publication: Publication,
        tag: str,
        repeat: str | None = None,
        prev: int | None = None,
    ) -> Deferred[Placed]:
        placed: Deferred[Placed] = self._log.publish(publication, tag, repeat, prev)
        return placed

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        return self._remote.attach(topic, known)

    def detach(self, topic: str) -> None:
        self._remote.detach(topic)

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        return self._remote.read(topic, after, until, limit, size)
