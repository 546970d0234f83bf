"""
The work that the daemon repeats at intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, SchedulerStopped
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.removals import Revocation
from aerostack.core.limits.deadlines import Deadlines
from aerostack.delivery.slices import makeCooperator
from aerostack.errors import RealtimeError
from aerostack.hub.following import FollowedTopics
from aerostack.interfaces.messaging import IHistory
from aerostack.interfaces.revocations import IRevocationStore
from aerostack.sessions.interfaces import Admitted
from aerostack.sessions.removing import Removal

ENTERED = 200
"""How many revocations are taken up in one step."""

Work = Callable[[], Iterator[None]]
"""Begins a work; each step of the iterator is a piece of it."""


class _Repeating(Service):
    """
    Makes calls at intervals while it runs.
    """

    def __init__(self, clock: IReactorTime, part: float = 1.0) -> None:
        """
        @param part: See L{makeCooperator}.
        """
        self._clock = clock
        self._cooperator = makeCooperator(clock, part)
        # Each call with its seconds, and whether it is made at the start, too.
        self._calls: list[tuple[LoopingCall, float, bool]] = []

    def _repeat(self, call: Callable[[], object], interval: float, now: bool = True) -> None:
        looping = LoopingCall(call)
        looping.clock = self._clock
        self._calls.append((looping, interval, now))

    def startService(self) -> None:
        super().startService()
        for call, interval, now in self._calls:
            call.start(interval, now=now)

    def stopService(self) -> None:
        super().stopService()
        for call, _, _ in self._calls:
            if call.running:
                call.stop()
        self._cooperator.stop()

    def _doInPieces(self, *works: Iterator[None]) -> Deferred[Any]:
        done: Deferred[Any] = self._cooperator.coiterate(chain(*works))
        # The service may stop in the middle of a sweep.
        return done.addErrback(lambda failure: failure.trap(SchedulerStopped))


class Sweeper(_Repeating):
    """
    Does some works each second, one after the other.  A work that has much to do is cut into
    pieces, and the reactor turns between two pieces.

    @cvar interval: Seconds between two sweeps.
    """

    log = Logger()
    interval = 1.0

    def __init__(self, clock: IReactorTime, works: Sequence[Work]) -> None:
        super().__init__(clock)
        self._works = works
        self._swept: Deferred[Any] = succeed(None)
        self._repeat(self._sweep, self.interval)

    def _sweep(self) -> None:
        if self._swept.called:
            # Otherwise the last sweep still goes on.
            self._swept = self._doInPieces(*map(self._guard, self._works))

    def _guard(self, work: Work) -> Iterator[None]:
        try:
            yield from work()
        except Exception:
            # The works after this one, and the next sweep, must still be done.
            self.log.failure("a part of the sweep failed", Failure())


class SessionMaintenance(_Repeating):
    """
    Serves the sessions whose deadlines are due, each second.

    If this process has stood still, the answers of clients wait unread.  Then one look is left out,
    in which the answers are read.

    @cvar interval: Seconds between two looks, and the precision of every time-out of a
        connection.
    """

    log = Logger()
    interval = 1.0

    def __init__(self, clock: IReactorTime, deadlines: Deadlines) -> None:
        # The pings are written when the turn ends, which takes more than twice as long as to make
        # them.
        super().__init__(clock, 0.5)
        self._deadlines = deadlines
        # When the last look was made or left out; and whether it was left out.
        self._looked: float | None = None
        self._left = False
        self._repeat(self._look, self.interval)

    def _look(self) -> None:
        now = self._clock.seconds()
        late = self._looked is not None and now - self._looked >= 2 * self.interval
        self._looked = now
        # A process that is always late must keep the deadlines, too.
        self._left = late and not self._left
        if self._left:
            return
        due: Iterable[Admitted] = self._deadlines.expire(now)  # type: ignore[assignment]
        self._doInPieces(self._serve(due))

    def _serve(self, due: Iterable[Admitted]) -> Iterator[None]:
        for client in due:
            try:
                client.due()
            except Exception:
                # The deadlines of the others must still be kept.
                self.log.failure("a session failed", Failure(), connection=client.connectionId)
            yield


class RevocationMaintenance(_Repeating):
    """
    Reads the revocations of tokens that other nodes have kept in the database, and forgets those
    that have ended.

    @cvar interval: Seconds between two reads.
    """

    log = Logger()
    interval = 30.0

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        authenticator: Authenticator,
        store: IRevocationStore,
        removal: Removal,
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param authenticator: Has the projects, and the revocations that this part of the daemon
            knows.
        @param removal: Closes the connections of revoked tokens.
        """
        super().__init__(clock)
        self._wall = wall
        self._authenticator = authenticator
        self._store = store
        self._removal = removal
        # Whether a revocation was found whose connections may still be open.
        self._hasNews = False
        # Whether the log has said that there are too many.
        self._isFull = False
        self._repeat(self.read, self.interval, now=False)

    def begin(self, found: Iterable[Revocation]) -> None:
        """
        Take up the revocations that the database has, before clients come.
        """
        for _ in self._enter(found):
            pass
        self._hasNews = False

    def read(self) -> Deferred[Any]:
        """
        Read the revocations now.

        @return: Fires when the connections of newly revoked tokens are closed, or the database
            could not be read.  It never fails.
        """
        now = self._wall()
        reading: Deferred[Any] = self._store.read(self._authenticator.projects, int(now * 1000))
        reading.addCallback(
            lambda found: self._doInPieces(
                self._enter(found), self._authenticator.revocations.sweep(now)
            )
        )
        reading.addCallback(lambda _: self._store.forget(int(now * 1000)) if self.running else None)
        return reading.addErrback(self._failed).addCallback(lambda _: self._close())

    def _enter(self, found: Iterable[Revocation]) -> Iterator[None]:
        """Take up revocations, some in each step."""
        revocations, isFull = self._authenticator.revocations, False
        for number, revocation in enumerate(found, 1):
            try:
                self._hasNews |= revocations.add(revocation, self._wall()) is not None
            except RealtimeError as error:
                if not self._isFull and not isFull:
                    self.log.warn("a revocation is not taken up: {error}", error=error)
                isFull = True
            if not number % ENTERED:
                yield
        self._isFull = isFull

    def _close(self) -> Deferred[int] | None:
        """Close the connections of newly revoked tokens."""
        if not self._hasNews or not self.running:
            return None
        self._hasNews = False
        return self._removal.recheckTokens()

    def _failed(self, failure: Failure) -> None:
        # The store has logged what it could not do; the next read tries again.
        if not failure.check(RealtimeError):
            self.log.failure("the revocations cannot be taken up", failure)


class SharedMaintenance(_Repeating):
    """
    Compares the logs that nodes share with the history.  A node that ends between the commit of a
    message and its publication leaves a message that no subscriber has got.

    @cvar interval: Seconds between two comparisons.
    @cvar piece: How many topics are asked for at once.
    """

    log = Logger()
    interval = 5.0
    piece = 500

    def __init__(
        self,
        clock: IReactorTime,
        shared: FollowedTopics,
        newest: Callable[[Sequence[str]], Deferred[dict[str, int]]],
        bring: Callable[[str, int], None],
    ) -> None:
        """
        @param shared: The topics that this node follows.
        @param newest: Reads the marks of the newest messages of topics.
        @param bring: Brings a topic's messages up to a mark into its shared log, if they are not
            there.
        """
        super().__init__(clock)
        self._shared = shared
        self._newest = newest
        self._bring = bring
        self._compared: Deferred[Any] = succeed(None)
        self._repeat(self._look, self.interval, now=False)

    def _look(self) -> None:
        if self._compared.called:
            self._compared = Deferred.fromCoroutine(self._compare()).addErrback(self._failed)

    async def _compare(self) -> None:
        topics = self._shared.topics()
        for start in range(0, len(topics), self.piece):
            for topic, mark in (await self._newest(topics[start : start + self.piece])).items():
                if self._shared.lacks(topic, mark):
                    self._bring(topic, mark)

    def _failed(self, failure: Failure) -> None:
        # The history has logged what it could not do; the next look tries again.
        if not failure.check(RealtimeError):
            self.log.failure("the logs cannot be compared with the history", failure)


class StreamMaintenance(_Repeating):
    """
    Looks after the token streams of nodes that are gone.

    @cvar interval: Seconds between two looks.
    """

    interval = 2.0

    def __init__(self, clock: IReactorTime, look: Callable[[], Deferred[Any]]) -> None:
        """
        @param look: See L{aerostack.streams.adopting.Adopter.look}.
        """
        super().__init__(clock)
        self._repeat(look, self.interval, now=False)


class HistoryMaintenance(_Repeating):
    """
    Has the history forget old messages, and checks whether messages can be kept.

    @cvar expireInterval: Seconds between two sweeps over old messages.
    @cvar probeInterval: Seconds between two checks whether messages can be kept.
    """

    log = Logger()
    expireInterval = 60.0
    probeInterval = 5.0

    def __init__(self, clock: IReactorTime, now: Callable[[], int], history: IHistory) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        """
        super().__init__(clock)
        self._now = now
        self._history = history
        self._repeat(self._expire, self.expireInterval)
        self._repeat(history.probe, self.probeInterval, now=False)

    def _expire(self) -> Deferred[None]:
        def again(deleted: int) -> Any:
            return self._expire() if deleted and self.running else None

        def failed(failure: Failure) -> None:
            self.log.failure("old messages stay", failure)

        expired: Deferred[Any] = self._history.expire(self._now())
        return expired.addCallback(again).addErrback(failed)
