"""
A world whose clients are behind a channel, as if a worker served them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from aerostack.core.keyed.states import KeyedStates
from aerostack.hub.keyed import LocalValues
from aerostack.sessions.services import NodeServices
from aerostack.testing import World
from aerostack.testing.pipes import joinedPipes
from aerostack.workers.channel import Channel
from aerostack.workers.frames import Codec
from aerostack.workers.hub.reads import WorkerReads
from aerostack.workers.hub.tables import TableRelay
from aerostack.workers.messages import reads, tables
from aerostack.workers.worker.history import RemoteHistory
from aerostack.workers.worker.queries import RemoteQueries
from aerostack.workers.worker.questions import Questions
from aerostack.workers.worker.tables import RemoteTracker

KINDS = (*tables.KINDS, *reads.KINDS)


class WireClock(Clock):
    """
    The time of channels.  Whatever is sent arrives before the sender's call returns, unless a test
    has made the wire slow.

    @ivar isSlow: Whether nothing arrives until L{hurry} or L{trickle} is called.
    """

    def __init__(self, outside: Clock) -> None:
        super().__init__()
        self._outside = outside
        self._isPumping = False
        self.isSlow = False

    def callLater(self, delay: float, *args: Any, **kw: Any) -> IDelayedCall:
        if not delay and not self._isPumping:
            self._outside.callLater(0, self.arrive)
        return super().callLater(delay, *args, **kw)

    def arrive(self) -> None:
        """
        Let what was sent arrive, unless the wire is slow.
        """
        if not self.isSlow:
            self.pumpAll()

    def trickle(self) -> None:
        """
        Let one thing happen on the wire.
        """
        due = [each for each in self.calls if each.getTime() <= self.seconds()]
        if due and not self._isPumping:
            self._isPumping = True
            self.calls.remove(due[0])
            due[0].called = 1
            due[0].func(*due[0].args, **due[0].kw)
            self._isPumping = False

    def hurry(self) -> None:
        """
        Let the wire be slow no more.
        """
        self.isSlow = False
        self.pumpAll()

    def pumpAll(self) -> None:
        """
        Let what was sent arrive.
        """
        if self._isPumping:
            return
        self._isPumping = True
        try:
            while any(each.getTime() <= self.seconds() for each in self.calls):
                self.advance(0)
        finally:
            self._isPumping = False


class HastyClock:
    """
    The worker's time, in which grace periods are over at once.
    """

    def __init__(self, clock: Clock) -> None:
        self.seconds = clock.seconds
        self._clock = clock

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any) -> IDelayedCall | None:
        if not delay:
            return self._clock.callLater(0, call, *args)
        call(*args)
        return None


class WireChannel(Channel):
    """
    A channel on such a wire.
    """

    def sendFrame(self, frame: bytes) -> None:
        super().sendFrame(frame)
        self._reactor.arrive()

    def ask(self, question: Any, timeout: float | None) -> Deferred[Any]:
        # The answer must not come before the question is noted.
        wasSlow, self._reactor.isSlow = self._reactor.isSlow, True
        asked = super().ask(question, timeout)
        self._reactor.isSlow = wasSlow
        self._reactor.arrive()
        return asked


class End:
    """
    Passes what comes over a channel to the parts that handle it.
    """

    def __init__(self, *parts: Any) -> None:
        self.handlers: dict[type, Callable[..., Any]] = {}
        for part in parts:
            self.handlers.update(part.handlers)

    def received(self, message: Any) -> None:
        self.handlers[type(message)](message)

    def asked(self, question: Any) -> Any:
        return self.handlers[type(question)](question)

    def lost(self, reason: Failure) -> None:
        """Called when the channel has ended."""


class HubEnd(End):
    """
    The same at the hub.

    @ivar link: The channel.
    """

    link: Channel

    def __init__(self, relay: TableRelay, *parts: Any) -> None:
        super().__init__(relay, *parts)
        self._relay = relay

    def received(self, message: Any) -> None:
        self.handlers[type(message)](self.link, message)

    def asked(self, question: Any) -> Any:
        return self.handlers[type(question)](self.link, question)

    def lost(self, reason: Failure) -> None:
        self._relay.lost(self.link)


class Worker:
    """
    The parts of a worker that read tables.

    @ivar tracker: Brings the changes.
    """

    def __init__(self, wire: Any, clock: Any, relay: TableRelay, served: WorkerReads) -> None:
        """
        @param wire: The time of the channel.
        @param clock: The worker's time.
        """
        hubPipe, workerPipe = joinedPipes(wire)
        kind = WireChannel if isinstance(wire, WireClock) else Channel
        end = HubEnd(relay, served)
        self.link = end.link = kind(wire, hubPipe, Codec(KINDS), end)
        inside = End()
        self.channel = kind(wire, workerPipe, Codec(KINDS), inside)
        self.questions = Questions(self.channel)
        self.tracker = RemoteTracker(clock, self.channel, self.questions)
        self.history = RemoteHistory(self.questions)
        self.queries = RemoteQueries(self.questions)
        for part in (self.tracker, self.questions):
            inside.handlers.update(part.handlers)
        self.link.start()
        self.channel.start()
        relay.add(self.link)

    def die(self) -> None:
        """
        End the worker.
        """
        self.tracker.stop()
        self.channel.close()


class RemoteWorld(World):
    """
    A world whose clients reach the tracker, the history and the database over a channel.
    """

    def _begin(self) -> None:
        self.wire = WireClock(self.clock)
        super()._begin()
        self.worker.tracker.start(self.feeds)
        self.tracker.listener = self.relay
        self.turn()

    def _workersClock(self) -> Any:
        """The worker's time."""
        return HastyClock(self.clock)

    def _serve(self) -> tuple[TableRelay, WorkerReads]:
        """Make the hub's parts."""
        return (
            TableRelay(self.wire, Codec(KINDS), self.tracker),
            WorkerReads(
                self.wire, self.tracker, self.history, LocalValues(KeyedStates()), self._query
            ),
        )

    def _node(self) -> NodeServices:
        node = super()._node()
        self.relay, served = self._serve()
        self.worker = Worker(self.wire, self._workersClock(), self.relay, served)
        return replace(
            node,
            tracker=self.worker.tracker,
            history=self.worker.history,
            query=self.worker.queries.run,
        )


class LastingWorld(RemoteWorld):
    """
    The same, with the worker's grace periods.
    """

    def _workersClock(self) -> Any:
        return self.clock


class TwinWorld(LastingWorld):
    """
    The clients of one of several workers.
    """

    def __init__(self, number: int, relay: TableRelay, tracker: Any, **options: Any) -> None:
        """
        @param number: The worker's number.
        @param tracker: The hub's tracker, to which the relay listens.
        """
        self._number = number
        self._shared = relay, tracker
        super().__init__(**options)

    def _begin(self) -> None:
        # No two processes have the same epochs.
        self._epochs = iter(range(self._number * 1000, 1_000_000))
        super()._begin()

    def _serve(self) -> tuple[TableRelay, WorkerReads]:
        relay, self.tracker = self._shared
        return relay, WorkerReads(
            self.wire, self.tracker, self.history, LocalValues(KeyedStates()), self._query
        )
