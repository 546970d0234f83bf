"""
Sends publications and changes of tables, each with its place in the topic's log, to the topic's
subscribers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.answers.answers import isReminder
from aerostack.core.diagnosis.histogram import Histogram
from aerostack.core.registry import Registry
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import projectOf
from aerostack.delivery.fanout import Fanout
from aerostack.delivery.interfaces import Recipient
from aerostack.delivery.turnend import TurnEnd
from aerostack.hub.encoding import publicationFrame
from aerostack.hub.sequencing import ChangeEncoding, Sequencer
from aerostack.hub.strangers import Copying, Strangers
from aerostack.interfaces.messaging import ISubscriber
from aerostack.interfaces.publishing import IReceiver
from aerostack.protocol.framing import Frame, viewFrame


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
        self.fanout = Fanout(self.turnEnd, kindOf=sequencer.kindOf)
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
                self._sendPresence(topic, publicationFrame(publication))
            return
        self.published += 1
        frame = self._sequencer.place(publication)
        if frame is not None and not isReminder(publication):
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
        if self._isRepeated(publication) or self._strangers.hold(entry, frame):
            return
        if not isReminder(publication):
            self.sendToAll(publication.topic, frame)
            self._measure(publication)

    def _isRepeated(self, publication: Publication) -> bool:
        """
        Whether subscribers have the end of a token stream already.  The end comes again if the
        history has kept it later, for example because the node of the stream had died.

        The state of the stream does not tell this: the stream's own node learns from the engine's
        answer that the stream is over, and that answer may come before the end itself.
        """
        mark = publication.stream
        if mark is None or not mark.state:
            return False
        answer = self._sequencer.answers.get(projectOf(publication.topic), mark.stream)
        if answer is None:
            return False
        isSent, answer.isEndSent = answer.isEndSent, True
        return isSent and publication.mark is not None

    def _measure(self, publication: Publication) -> None:
        """Note how long a text of a token stream takes, if it is one and has subscribers."""
        mark, topic = publication.stream, publication.topic
        if mark is None or mark.at < 0 or topic not in self._registry:
            return

        def sent() -> None:
            # The clock of another machine may be ahead.
            self.texts.observe(max(0, self._now() - publication.timestamp) / 1000)

        self.sampleSent((topic,), sent)

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
        for view, subscribers in self._registry.groups(topic):
            isNamed = view is not None and view.name
            sent = viewFrame(frame, view.name) if view is not None and isNamed else frame
            self.fanout.send(topic, subscribers, sent)

    def _sendPresence(self, topic: str, frame: Frame) -> None:
        """Send a change of who is present to all subscribers, once to each client."""
        owners: dict[ISubscriber, None] = {}
        for view, subscribers in self._registry.groups(topic):
            if view is None or not view.name:
                self.fanout.send(topic, subscribers, frame)
            else:
                named = cast(Sequence[Recipient], subscribers)
                owners.update(dict.fromkeys(each.reader for each in named))
        others = self._registry.subscribers(topic)
        rest = tuple(owner for owner in owners if owner not in others)
        if rest:
            self.fanout.send(topic, rest, frame)

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

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> None:
        """
        Call a function once everything is sent that is to be sent on some topics now.
        """
        self.fanout.whenSent(self._lastOf(topics), call)

    def sampleSent(self, topics: Iterable[str], call: Callable[[], object]) -> bool:
        """
        Call a function as L{whenSent} does, to measure how long frames take.

        @return: Whether it is called, see L{Fanout.sampleSent}.
        """
        return self.fanout.sampleSent(self._lastOf(topics), call)

    def _lastOf(self, topics: Iterable[str]) -> str:
        """The topic that is served last; empty if nothing is to be sent on any of them."""
        sending = [topic for topic in topics if self.fanout.isSending(topic)]
        # Topics are served in the order in which they began, so the last of them ends last.
        return sending[-1] if sending else ""

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
