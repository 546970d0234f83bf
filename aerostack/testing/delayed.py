"""
A node behind a line that takes time: each call waits until the test lets it through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.presence import Tracked
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.stays import Stays
from aerostack.errors import RealtimeError
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.publishing import IPublisher, IReceiver
from aerostack.interfaces.roster import IRoster
from aerostack.interfaces.shares import IPlace, IShares
from aerostack.sessions.services import NodeServices


class Line:
    """
    Carries calls to a node, in the order in which they were made.

    @ivar waiting: The calls that have not come through yet.
    @ivar isFree: Whether calls come through at once.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        self.isFree = False

    def ask(self, call: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """
        Make a call when its turn has come.

        @return: Its result, or that of the L{Deferred} that it returns.
        """
        answered: Deferred[Any] = Deferred()
        self.waiting.append((lambda: call(*args), answered))
        if self.isFree:
            self.carry()
        return answered

    def carry(self, most: int | None = None) -> None:
        """
        Let calls through.

        @param most: How many at the most; L{None} for all, those among them that are made
            meanwhile.
        """
        while self.waiting and (most is None or most > 0):
            call, answered = self.waiting.popleft()
            maybeDeferred(call).addBoth(answered.callback)
            most = None if most is None else most - 1

    def refuse(self, error: RealtimeError) -> None:
        """
        Fail the calls that wait; the node does not get them.
        """
        waiting, self.waiting = self.waiting, deque()
        for _, answered in waiting:
            answered.errback(error)


@implementer(IPublisher)
class DelayedPublisher:
    """
    Publishes over a line.
    """

    def __init__(self, line: Line, publisher: IPublisher) -> None:
        self.latencies, self.durations = publisher.latencies, publisher.durations
        self.tracer = None
        self._line = line
        self._publisher = publisher

    def publish(self, *args: Any, **options: Any) -> Deferred[Any]:
        return self._line.ask(lambda: self._publisher.publish(*args, **options))

    def chat(self, *args: Any, **options: Any) -> Deferred[Any]:
        return self._line.ask(lambda: self._publisher.chat(*args, **options))

    def checkBacklog(self, topic: str) -> None:
        self._publisher.checkBacklog(topic)


@implementer(ILogSource, IReceiver)
class DelayedLogs:
    """
    Attaches topics over a line, and passes the publications of attached topics on.

    @ivar attached: The topics that are attached.
    """

    def __init__(self, line: Line, sequencer: Sequencer) -> None:
        self.attached: set[str] = set()
        self._line = line
        self._sequencer = sequencer
        self._receiver: IReceiver

    def start(self, receiver: IReceiver) -> None:
        """
        Begin.

        @param receiver: Gets the publications of attached topics.
        """
        self._receiver = receiver

    def attach(self, topic: str) -> Deferred[None]:
        def attach() -> None:
            if topic in self.attached:
                raise ValueError(f"{topic} is attached already")
            self.attached.add(topic)
            if not topic.startswith("table/"):
                self._sequencer.openLog(topic)

        return self._line.ask(attach)

    def detach(self, topic: str) -> None:
        # A topic that is not attached is a fault of the caller, and shows here.
        self._line.ask(self.attached.remove, topic)

    def fill(self, topic: str) -> Deferred[None]:
        return self._line.ask(lambda: None)

    def deliver(self, publication: Publication) -> None:
        if publication.topic in self.attached:
            self._receiver.deliver(publication)
        elif publication.kind != PRESENCE:
            # The log that may still be there must have no hole.
            self._sequencer.place(publication)

    def needs(self, topic: str) -> bool:
        needs: bool = self._receiver.needs(topic)
        return needs

    def backlog(self, topic: str) -> int:
        backlog: int = self._receiver.backlog(topic)
        return backlog

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> None:
        self._receiver.whenSent(topics, call)

    def sampleSent(self, topics: Iterable[str], call: Callable[[], object]) -> bool:
        called: bool = self._receiver.sampleSent(topics, call)
        return called


@implementer(IRoster)
class DelayedRoster:
    """
    Tracks over a line.
    """

    def __init__(self, line: Line, roster: IRoster) -> None:
        self._line = line
        self._roster = roster
        self._stays = Stays()

    def track(self, topic: str, connectionId: str, *args: Any) -> Deferred[Tracked]:
        stay = self._stays.ask(topic, connectionId)

        def granted(tracked: Tracked) -> Tracked:
            self._stays.answered(topic, connectionId, stay, True)
            return tracked

        def refused(failure: Failure) -> Failure:
            self._stays.answered(topic, connectionId, stay, False)
            return failure

        asked: Deferred[Tracked] = self._line.ask(self._roster.track, topic, connectionId, *args)
        return asked.addCallbacks(granted, refused)

    def untrack(self, topic: str, connectionId: str) -> None:
        self._stays.end(topic, connectionId)
        self._line.ask(self._roster.untrack, topic, connectionId)

    def leave(self, connectionId: str) -> None:
        self._stays.endAll(connectionId)
        self._line.ask(self._roster.leave, connectionId)

    def lose(self, connectionId: str) -> None:
        self._stays.endAll(connectionId)
        self._line.ask(self._roster.lose, connectionId)

    def remove(self, project: str, userId: str) -> None:
        self._line.ask(self._roster.remove, project, userId)

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        return self._stays.topicsOf(connectionId)


@implementer(IKeyedValues)
class DelayedValues:
    """
    Reads the values of keyed topics over a line.
    """

    def __init__(self, line: Line, values: IKeyedValues) -> None:
        self._line = line
        self._values = values

    def page(self, *args: Any) -> Deferred[Any]:
        return self._line.ask(self._values.page, *args)


@implementer(IPlace)
class DelayedPlace:
    """
    A place of a connection, behind a line.
    """

    def __init__(self, line: Line, place: IPlace) -> None:
        self._line = line
        self._place = place

    def enter(self, project: str) -> Deferred[None]:
        return self._line.ask(self._place.enter, project)

    def leave(self) -> None:
        self._line.ask(self._place.leave)


@implementer(IShares)
class DelayedShares:
    """
    Shares behind a line.  Rates are spent at once.
    """

    def __init__(self, line: Line, shares: IShares) -> None:
        self._line = line
        self._shares = shares

    def admit(self, address: str | None) -> Deferred[DelayedPlace]:
        def admit() -> DelayedPlace:
            return DelayedPlace(self._line, self._shares.admit(address))

        return self._line.ask(admit)

    def subscribe(self, project: str) -> Deferred[None]:
        return self._line.ask(self._shares.subscribe, project)

    def unsubscribe(self, project: str) -> None:
        self._line.ask(self._shares.unsubscribe, project)

    def spend(self, project: str, size: int, now: float) -> None:
        self._shares.spend(project, size, now)


def delayed(line: Line, node: NodeServices) -> NodeServices:
    """
    Put a node behind a line.
    """
    return replace(
        node,
        publisher=DelayedPublisher(line, node.publisher),
        source=DelayedLogs(line, node.sequencer),
        roster=DelayedRoster(line, node.roster),
        shares=DelayedShares(line, node.shares),
        values=DelayedValues(line, node.values),
    )
