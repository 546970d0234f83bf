"""
Sends publications and changes of tables, each with its place in the topic's log, to the topic's
subscribers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.core.registry import Registry
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.rows.views import View
from aerostack.delivery.fanout import Fanout
from aerostack.delivery.turnend import TurnEnd
from aerostack.hub.encoding import publicationFrame
from aerostack.hub.sequencing import ChangeEncoding, Sequencer
from aerostack.hub.strangers import Copying, Strangers
from aerostack.interfaces.messaging import ISubscriber
from aerostack.interfaces.publishing import IReceiver
from aerostack.protocol.framing import Frame


@implementer(IReceiver)
class Delivery:
    """
    Sends what happens on topics to their subscribers.

    @ivar turnEnd: Ends the turns of the reactor, for all that sends frames.
    @ivar fanout: Hands frames to subscribers.
    @ivar published: How many publications were delivered; presence does not count.
    @ivar texts: How long it took from the arrival of texts of token streams until they were handed
        to the subscribers' sockets.  Of texts that go out together, the first counts.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        registry: Registry[ISubscriber],
        sequencer: Sequencer,
        fill: Callable[[str], Deferred[None] | None],
        copy: Copying,
    ) -> None:
        """
        @param clock: Lets the fanout go on in later turns.
        @param now: The time of day, milliseconds since the epoch.
        @param registry: Which subscriber is subscribed to which topics.
        @param sequencer: Gives publications and changes their places.
        @param fill: See L{aerostack.interfaces.logs.ILogSource.fill}.
        @param copy: See L{aerostack.interfaces.streams.IStreams.copy}.
        """
        self.turnEnd = TurnEnd(clock)
        self.fanout = Fanout(self.turnEnd)
        self.published = 0
        self.texts = Histogram()
        self._now = now
        self._registry = registry
        self._sequencer = sequencer
        self._strangers = Strangers(sequencer, fill, copy, self.sendToAll)

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
        frame = self._sequencer.place(publication)
        if frame is not None:
            self.sendToAll(topic, frame)
            self._measure(publication)

    def deliverEntry(self, entry: SharedEntry) -> None:
        """
        Deliver an entry of a log that nodes share.
        """
        publication = entry.publication
        frame = self._sequencer.placeEntry(entry)
        if frame is None:
            # A table's topic has a log of this process.
            self.deliver(publication)
            return
        self.published += 1
        if not self._strangers.hold(entry, frame):
            self.sendToAll(publication.topic, frame)
            self._measure(publication)

    def _measure(self, publication: Publication) -> None:
        """Note how long a text of a token stream takes, if it is one and has subscribers."""
        mark, topic = publication.stream, publication.topic
        if mark is None or mark.at < 0 or topic not in self._registry:
            return

        def sent() -> None:
            # The clock of another machine may be ahead.
            self.texts.observe(max(0, self._now() - publication.timestamp) / 1000)

        self.whenSent((topic,), sent)

    def deliverChange(self, encoding: ChangeEncoding) -> None:
        """
        Deliver a change of a table on one topic.
        """
        topic, change = encoding.topic, encoding.change
        whole = self._sequencer.placeChange(encoding)
        if whole is None:
            return
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

    def needs(self, topic: str) -> bool:
        """
        Whether a topic has subscribers.
        """
        return topic in self._registry

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
