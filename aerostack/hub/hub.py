"""
The hub: pub/sub and presence for the clients of this process.

Every publication takes one road.  L{aerostack.hub.publishing} checks it, L{aerostack.hub.placing}
puts it in order, the engine carries it to every daemon that shares the topic, and
L{aerostack.hub.delivering} has L{aerostack.hub.sequencing} give it its position, encodes it once
and sends it to the topic's subscribers.  Presence takes the same road.  Changes of tables come from
the database, which has put them in order already, so they begin at the delivering half.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from aerostack.core.answers.joins import Joins
from aerostack.core.registry import Registry
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic
from aerostack.hub.attachments import Attachments
from aerostack.hub.delivering import Delivery
from aerostack.hub.outage import EngineOutage
from aerostack.hub.presence import PresenceService
from aerostack.hub.sequencing import Sequencer
from aerostack.hub.strangers import Copying
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.messaging import ISubscriber
from aerostack.interfaces.publishing import IPublisher
from aerostack.interfaces.roster import IMembers, IRoster


class Hub:
    """
    Subscriptions, publications and presence of this process.

    @ivar registry: Which subscriber is subscribed to which topics.
    @ivar sequencer: Gives publications and changes their places in the topics' logs.
    @ivar delivery: Sends to subscribers what the engine and the tables bring.
    @ivar publisher: Takes what clients publish.
    @ivar source: Where the topics' logs come from.
    @ivar attachments: Which topics are attached there.
    @ivar presence: Who is present on which topics.
    @ivar outage: What subscribers know of the engine.
    @ivar joins: Counts the clients that came late to token streams, over WebSockets and over HTTP.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        sequencer: Sequencer,
        publisher: IPublisher,
        source: ILogSource,
        roster: IRoster,
        members: IMembers,
        copy: Copying,
    ) -> None:
        """
        @param clock: Measures intervals; it is never set.
        @param wall: The time of day, seconds since the epoch; an operator may set it at any
            moment.
        @param copy: See L{aerostack.interfaces.streams.IStreams.copy}.
        """
        self._clock = clock
        self._wall = wall
        self.registry: Registry[ISubscriber] = Registry()
        self.sequencer = sequencer
        self.delivery = Delivery(clock, self.now, self.registry, sequencer, source.fill, copy)
        self.publisher = publisher
        self.source = source
        self.attachments = Attachments(source)
        self.presence = PresenceService(roster, members, self.now)
        self.outage = EngineOutage()
        self.joins = Joins()

    @property
    def logs(self) -> TopicLogs:
        """The logs of topics, as far as they are in memory."""
        return self.sequencer.logs

    def now(self) -> int:
        """The time of day, milliseconds since the epoch."""
        return int(self._wall() * 1000)

    def seconds(self) -> float:
        """The clock's time, which measures how old things are."""
        return self._clock.seconds()

    def subscribe(self, subscriber: ISubscriber, topic: Topic, view: View | None) -> bool:
        """
        Deliver a topic's frames to a subscriber from now on.  The caller has had the topic
        attached, and releases it after L{unsubscribe}.

        @param view: The part of them that it gets; L{None} for everything.
        @return: Whether the subscription is new.
        """
        canonical = topic.canonical
        if topic.table is None:
            self.sequencer.openLog(canonical)
        self.delivery.dropPending(canonical, subscriber)
        self.sequencer.need(canonical)
        return self.registry.subscribe(subscriber, canonical, view)

    def unsubscribe(self, subscriber: ISubscriber, topic: Topic) -> bool:
        """
        Deliver no more of a topic's frames to a subscriber.

        @return: Whether there was a subscription.
        """
        canonical = topic.canonical
        self.delivery.dropPending(canonical, subscriber)
        was = self.registry.unsubscribe(subscriber, canonical)
        if was and canonical not in self.registry:
            self.sequencer.release(canonical)
        return was
