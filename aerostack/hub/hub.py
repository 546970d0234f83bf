"""
The hub: the subscriptions of this daemon, and the parts that serve them.

Every publication takes one road.  L{aerostack.hub.publishing} checks it and puts it in order,
the engine carries it to every daemon that shares the topic, and L{aerostack.hub.delivering}
gives it its position, encodes it once and sends it to the topic's subscribers.  Presence takes
the same road.  Changes of tables come from the database, which has put them in order already,
so they begin at the delivering half.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from twisted.internet.interfaces import IReactorTime

from aerostack.core.presence import Presence
from aerostack.core.registry import Registry
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.rows.views import View
from aerostack.core.topics.policies import TopicPolicies
from aerostack.core.topics.topics import Topic, projectOf
from aerostack.hub.delivering import Delivery
from aerostack.hub.presence import PresenceService
from aerostack.hub.publishing import Outcome, Publisher
from aerostack.interfaces.messaging import IEngine, IHistory, ISubscriber


class Hub:
    """
    Subscriptions, publications and presence of this daemon.

    @ivar registry: Which subscriber is subscribed to which topics.
    @ivar logs: The logs of topics, as far as they are in memory.
    @ivar delivery: Sends to subscribers what the engine and the tables bring.
    @ivar publisher: Takes what clients publish.
    @ivar presence: Who is present on which topics.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        engine: IEngine,
        history: IHistory,
        presence: Presence,
        newId: Callable[[], str],
        policies: TopicPolicies,
        logs: TopicLogs,
        idempotency: IdempotencyCache[Outcome],
    ) -> None:
        """
        @param clock: Measures intervals; it is never set.
        @param wall: The time of day, seconds since the epoch; an operator may set it at any
            moment.
        @param newId: Makes the id of a message; each call gives another.
        @param policies: The policy of each topic.
        @param idempotency: Remembers what clients published under an id of their own.
        """
        self._clock = clock
        self._wall = wall
        self.registry: Registry[ISubscriber] = Registry()
        self.logs = logs
        self.delivery = Delivery(clock, self.now, self.registry, logs, policies)
        self.publisher = Publisher(
            clock, self.now, engine, history, newId, idempotency, self.delivery
        )
        self.presence = PresenceService(presence, clock.seconds, self.now, self.publisher)
        logs.needed = lambda topic: topic in self.registry or topic in self.publisher
        engine.start(self.delivery.deliver)

    def now(self) -> int:
        """The time of day, milliseconds since the epoch."""
        return int(self._wall() * 1000)

    def seconds(self) -> float:
        """The clock's time, which measures how old things are."""
        return self._clock.seconds()

    def subscribe(self, subscriber: ISubscriber, topic: Topic, view: View | None) -> bool:
        """
        Deliver a topic's frames to a subscriber from now on.

        @param view: The part of them that it gets; L{None} for everything.
        @return: Whether the subscription is new.
        """
        canonical = topic.canonical
        if topic.table is None:
            self.delivery.openLog(canonical)
        self.delivery.dropPending(canonical, subscriber)
        self.logs.need(canonical)
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
            self.logs.leave(canonical, self._clock.seconds())
        return was

    def leaveProjects(self, projects: Collection[str]) -> Iterator[None]:
        """
        Note, a piece at a time, that the daemon serves some projects no more.  If it serves
        them again later, their logs lack what happened in between.
        """
        return self.logs.breakOff(
            lambda canonical: projectOf(canonical) in projects, self._clock.seconds()
        )

    def expireLogs(self) -> Iterator[None]:
        """
        Forget the entries of logs that are too old, a piece at a time.
        """
        return self.logs.expire(self._clock.seconds())
