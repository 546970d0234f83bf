"""
What the subscribers of topics that nodes share get while the engine has trouble, and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import SchedulerStopped
from zope.interface import implementer

from aerostack.core.replay.gaps import Gap
from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.outbound import Outbound
from aerostack.delivery.slices import makeCooperator
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.hub.outage import eventsLost
from aerostack.interfaces.messaging import ISubscriber
from aerostack.interfaces.sharing import ISharedReceiver
from aerostack.protocol.encoding import wireFrame
from aerostack.recovery.recovery import Recovery
from aerostack.recovery.requests import SubscribeRequest, startingAt

GRACE = 2.0
"""For how many seconds the engine is gone before subscribers get a status."""

PIECE = 50
"""How many subscribers get an answer, or how many topics a status, in one turn."""


@implementer(ISharedReceiver)
class Interruptions:
    """
    Passes the entries of the engine on to subscribers, and tells them when the engine has trouble.

    @ivar whenUp: Called whenever the engine answers again, and once at the start.
    """

    whenUp: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, clock: IReactorTime, hub: Hub, recovery: Recovery) -> None:
        self._clock = clock
        self._hub = hub
        self._recovery = recovery
        self._cooperator = makeCooperator(clock)
        # Since when the engine does not answer, ms; and what tells subscribers of that.
        self._since: int | None = None
        self._telling: IDelayedCall | None = None
        self._isStopped = False

    def received(self, entry: SharedEntry) -> None:
        self._hub.delivery.deliverEntry(entry)

    def broken(self, topic: str, known: Position | None, reason: str) -> None:
        parsed = topicOf(topic)
        if parsed.table is not None:
            # Changes of tables do not come over the engine, but events do.
            self._hub.delivery.sendToAll(topic, wireFrame(eventsLost(topic), topic))
            return
        gap, answers = Gap(reason), []
        for subscriber in tuple(self._hub.registry.subscribers(topic)):
            if isinstance(subscriber, Outbound):
                # Nothing that comes from now on may reach it before its answer.
                answers.append(self._hold(subscriber, parsed, known, gap))
            else:
                self._tellGap(subscriber, parsed, gap)
        self._do(answers)

    def _tellGap(self, subscriber: ISubscriber, topic: Topic, gap: Gap) -> None:
        """Tell a subscriber that reads nothing of the past where it goes on."""
        self._hub.delivery.handOver(topic.canonical, subscriber)
        head = self._hub.sequencer.openLog(topic.canonical).position
        subscriber.deliver(wireFrame(startingAt(topic, head, gap)))

    def _hold(
        self, outbound: Outbound, topic: Topic, known: Position | None, gap: Gap
    ) -> Callable[[], None]:
        """
        Send a client nothing of a topic until the returned function is called.
        """
        canonical = topic.canonical
        # What was delivered until now was for it.
        self._hub.delivery.handOver(canonical, outbound)
        # A client that did not have everything until now is at a place that is not known.
        behind = known is None or outbound.catchingUp(canonical) is not None
        catchup = Catchup()
        outbound.catchUp(canonical, catchup)

        def refuse(error: RealtimeError) -> None:
            self._recovery.tellLost(outbound, topic, request)

        request = SubscribeRequest(
            topic,
            None,
            "" if behind else str(known),
            None,
            outbound.takesPages(canonical),
            refuse,
            gap,
        )
        begin = self._hub.sequencer.openLog(canonical).position
        return partial(self._recovery.goOn, outbound, request, catchup, begin)

    def down(self) -> None:
        if self._since is None and not self._isStopped:
            self._since = self._hub.now()
            self._telling = self._clock.callLater(GRACE, self._tellDown)

    def up(self) -> None:
        self.whenUp()
        self._since = None
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._hub.outage.since is not None:
            self._hub.outage.since = None
            self._tell()

    def stop(self) -> None:
        """
        Tell nothing more.  The engine stops later.
        """
        self._isStopped = True
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        self._cooperator.stop()

    def _tellDown(self) -> None:
        self._telling = None
        self._hub.outage.since = self._since
        self._tell()

    def _tell(self) -> None:
        """Tell the subscribers of every topic whether its publications come."""
        topics = tuple(self._hub.registry)
        self._do(partial(self._tellTopic, topic) for topic in topics)

    def _do(self, calls: Iterable[Callable[[], None]]) -> None:
        done = self._cooperator.coiterate(_inPieces(calls))
        done.addErrback(lambda failure: failure.trap(SchedulerStopped))

    def _tellTopic(self, topic: str) -> None:
        if topicOf(topic).table is None and topic in self._hub.registry:
            status = self._hub.outage.status(topic)
            self._hub.delivery.sendToAll(topic, wireFrame(status, topic))


def _inPieces(calls: Iterable[Callable[[], None]]) -> Iterator[None]:
    """Make calls, some in each step."""
    for number, call in enumerate(calls, 1):
        call()
        if not number % PIECE:
            yield
