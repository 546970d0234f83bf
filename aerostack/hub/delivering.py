"""
The delivering half of the hub: it gives a publication or a table's change its position in the
topic's log, encodes it once, and sends it to the topic's subscribers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.core.registry import Registry
from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.rows.changes import Change
from aerostack.core.rows.views import View
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.delivery.fanout import Fanout
from aerostack.hub.encoding import publicationFrame
from aerostack.interfaces.messaging import ISubscriber
from aerostack.protocol.framing import Frame


class ChangeEncoding(Protocol):
    """
    The frames of one change of a table, for the subscribers of one topic.
    """

    @property
    def topic(self) -> str:
        """The canonical topic."""

    @property
    def change(self) -> Change:
        """The change."""

    def encode(self, position: Position, policy: TopicPolicy, logPosition: Position) -> Frame:
        """
        Make the frame of the whole change, before any other frame of it.

        @param position: The change's position in the topic's log.
        @param logPosition: See L{Frame}.
        """

    def encodeFor(self, view: View) -> Frame | None:
        """
        Make the frame that subscribers with a view get; L{None} if they get none.
        """

    def endTransaction(self) -> Sequence[tuple[View, Frame]]:
        """
        If the change is the last of its transaction: the views whose subscribers got a part of
        the transaction and not this change, each with the frame that says that it is over.
        """


class Delivery:
    """
    Sends what happens on topics to their subscribers.

    @ivar fanout: Hands frames to subscribers.
    @ivar published: How many publications were delivered; presence does not count.
    @ivar floor: The newest mark of any topic's log.  No log begins before it: if an operator
        sets the clock back, new messages would otherwise stand before those that the database has
        already, and a client that comes back would not find them.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        registry: Registry[ISubscriber],
        logs: TopicLogs,
        policies: TopicPolicies,
    ) -> None:
        """
        @param clock: Measures how old the entries of logs are.
        @param now: The time of day, milliseconds since the epoch.
        """
        self.fanout = Fanout(clock)
        self.published = 0
        self.floor = 0
        self._clock = clock
        self._now = now
        self._registry = registry
        self._logs = logs
        self._policies = policies

    # What is delivered

    def deliver(self, publication: Publication) -> None:
        """
        Deliver a publication that the engine brings.
        """
        topic = publication.topic
        if publication.kind == PRESENCE:
            # Presence is state: it is no part of the topic's log.
            if topic in self._registry:
                self.sendToAll(topic, publicationFrame(publication))
            return
        self.published += 1
        log = self._logs.get(topic)
        if log is None:
            # Without a log there is no subscriber, and no client that could come back.
            return
        # On a table's topic the marks are the journal's, and the daemon can read the log again
        # for a client that reads slowly.
        mark = None if log.lineage else publication.mark
        self.floor = max(self.floor, mark or 0)
        logPosition = log.standing if log.lineage else None
        position, policy = log.next(mark), self._policies.of(topic)
        frame = publicationFrame(publication, position, policy, logPosition)
        self._logs.append(topic, log, frame, mark, None, self._clock.seconds())
        self.sendToAll(topic, frame)

    def deliverChange(self, encoding: ChangeEncoding) -> None:
        """
        Deliver a change of a table on one topic.
        """
        topic, change = encoding.topic, encoding.change
        log = self._logs.get(topic)
        if log is None:
            return
        logPosition = log.standing
        log.within = not change.last
        position, policy = log.next(change.seq), self._policies.of(topic)
        whole = encoding.encode(position, policy, logPosition)
        self._logs.append(topic, log, whole, change.seq, change, self._clock.seconds())
        for view, subscribers in self._registry.concerned(topic, change):
            frame = whole if view is None else encoding.encodeFor(view)
            if frame is not None:
                self.fanout.send(topic, subscribers, frame)
        for view, frame in encoding.endTransaction():
            subscribers = self._registry.group(topic, view)
            if subscribers:
                self.fanout.send(topic, subscribers, frame)

    def sendToAll(self, topic: str, frame: Frame) -> None:
        """
        Send a frame to all subscribers of a topic, whatever their views are.
        """
        for _, subscribers in self._registry.groups(topic):
            self.fanout.send(topic, subscribers, frame)

    # How far it is sent

    def backlog(self, topic: str) -> int:
        """
        How many bytes of a topic are still to be sent to its subscribers.
        """
        return self.fanout.backlog(topic)

    def whenDrained(self) -> Deferred[None] | None:
        """
        See L{Fanout.whenDrained}.
        """
        return self.fanout.whenDrained()

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> bool:
        """
        Call a function once everything is sent that is to be sent on some topics now.

        @return: Whether it is called, see L{Fanout.whenSent}.
        """
        sending = [topic for topic in topics if self.fanout.isSending(topic)]
        # Topics are served in the order in which they began, so the last of them ends last.
        return self.fanout.whenSent(sending[-1] if sending else "", call)

    def handOver(self, topic: str, subscriber: ISubscriber) -> None:
        """
        See L{Fanout.handOver}.
        """
        self.fanout.handOver(topic, subscriber)

    def dropPending(self, topic: str, subscriber: ISubscriber) -> None:
        """
        See L{Fanout.dropPending}.
        """
        self.fanout.dropPending(topic, subscriber)

    # Subscribers of tables

    def subscribers(self, topic: str) -> Mapping[ISubscriber, View | None]:
        """
        The subscribers of a topic, with their views, in the order in which they came.
        """
        return self._registry.subscribers(topic)

    def changeView(self, subscriber: ISubscriber, topic: str, view: View | None) -> None:
        """
        Give a subscription another view.  The subscriber still gets by the view before what was
        delivered until now.
        """
        self._registry.subscribe(subscriber, topic, view)

    # Logs

    def hasLog(self, topic: str) -> bool:
        """
        Whether a topic has a log.  Without one it has no subscriber, and no client holds a
        position in it.
        """
        return self._logs.get(topic) is not None

    def openLog(self, topic: str) -> TopicLog:
        """
        The log of a topic that is no table's; a new one if it has none.
        """
        log = self._logs.get(topic)
        if log is None:
            # What is kept from now on gets a later mark than this; what was kept before has not.
            mark = self.floor = max(self.floor, self._now() - 1)
            log = self._logs.open(topic, mark, self._clock.seconds())
        return log

    def openTableLog(self, topic: str, lineage: str, mark: int, within: bool) -> TopicLog:
        """
        The log of a table's topic; a new one if it has none, or one of another lineage.

        @param lineage: See L{Position}.
        @param mark: The number of the newest change that was delivered, of any table.
        @param within: Whether a transaction goes on there.
        """
        now = self._clock.seconds()
        log = self._logs.open(topic, mark, now, lineage)
        if log.lineage != lineage:
            # The table was made again.
            self._logs.drop(topic)
            log = self._logs.open(topic, mark, now, lineage)
        # Every change up to here was delivered.
        log.reach(mark)
        log.within = within
        return log

    def restartLog(self, topic: str, mark: int) -> None:
        """
        Give a topic a new log, if it has one: no client can go on from a position in the
        present one without a gap.

        @param mark: Where the new one begins.
        """
        self._logs.restart(topic, mark, self._clock.seconds())

    def dropLog(self, topic: str) -> None:
        """
        Take a topic's log away.
        """
        self._logs.drop(topic)
