"""
What is outside of a publisher of emitted events, for its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from aerostack.core.replay.publications import EmittedMark
from aerostack.core.topics.emitted import EmitRules, EmittedEvent
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError, TakenElsewhere
from aerostack.interfaces.emitting import IEmittedEvents
from aerostack.interfaces.tracking import IDatabase, IWaker
from aerostack.tracker.emitting import EmittedPublisher

RULES = EmitRules(("p",), 64, 32, 1000)


BUSY = RealtimeError("database_unavailable", "Too much waits.", 1000)


@implementer(IEmittedEvents, IDatabase, IWaker)
class Outside:
    """
    Everything outside of what is tested: the table of the events, the history and the engine.

    @ivar rows: The events in the table.
    @ivar told: The topic and name of each event that subscribers get, in order.
    @ivar kept: The keys of the events that the history has, in order.
    @ivar keys: The key that each call has given to the publisher.
    @ivar fates: What happens to the next calls; without one, each works.
    @ivar isDead: Whether the daemon was killed.
    """

    def __init__(self, isShared: bool) -> None:
        self.isShared = isShared
        self.rows: list[EmittedEvent] = []
        self.told: list[tuple[str, str]] = []
        self.kept: list[str] = []
        self.keys: list[str | None] = []
        self.fates: Iterator[str] = iter(())
        self.isDead = False
        self.calls: list[str] = []
        self.rules: EmitRules | None = None
        self.waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []
        self.wake: Callable[[], None] | None = None
        self._known: set[str] = set()
        self._doubtful: set[str] = set()
        self._serial = 0

    def emit(
        self, topic: str, persist: bool = False, data: str = "1", key: str | None = None
    ) -> str:
        """
        Commit a transaction with one event.

        @return: The event's name.
        """
        self._serial += 1
        name = f"e{self._serial}"
        mark = EmittedMark(self._serial, name)
        self.rows.append(EmittedEvent(mark, topic, name, data, persist, key))
        return name

    # IDatabase

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if self.isDead:
            return Deferred()
        self.calls.append(interaction.__name__)
        fate = next(self.fates, "")
        if fate == "killed":
            self.isDead = True
            return Deferred()
        if fate == "failed":
            return fail(ConnectionError("before"))
        result = interaction(None, *args)
        if fate == "killed after":
            self.isDead = True
            return Deferred()
        if fate == "doubtful":
            return fail(ConnectionError("after"))
        return succeed(result)

    # IEmittedEvents

    def prepare(self, cursor: Any, rules: EmitRules) -> None:
        self.rules = rules

    def read(self, cursor: Any, limit: int, size: int) -> list[EmittedEvent]:
        return self.rows[:limit]

    def take(self, cursor: Any, marks: Sequence[EmittedMark]) -> set[str]:
        keys = {mark.key for mark in marks} & {row.mark.key for row in self.rows}
        self.rows = [row for row in self.rows if row.mark.key not in keys]
        return keys

    # IWaker

    def start(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def stop(self) -> None:
        self.wake = None

    # The publisher

    def publish(
        self,
        topic: Topic,
        event: str,
        data: bytes,
        persist: bool,
        mark: EmittedMark,
        key: str | None,
    ) -> Deferred[Any] | None:
        if self.isDead:
            return Deferred()
        self.keys.append(key)
        fate = next(self.fates, "")
        if fate == "killed":
            self.isDead = True
            return Deferred()
        if fate in ("failed", "doubtful") and (persist or fate == "failed" or self.isShared):
            if fate == "doubtful":
                self._place(topic, event, persist, mark, isTold=not persist)
                if persist and not self.isShared:
                    self._doubtful.add(mark.key)
            return fail(BUSY)
        if persist and not self._isOurs(mark):
            return fail(TakenElsewhere())
        self._place(topic, event, persist, mark)
        if fate == "killed after":
            self.isDead = True
            return Deferred()
        if fate == "later" or persist:
            done: Deferred[Any] = Deferred()
            self.waiting.append((done, lambda: None))
            return done
        return None

    def _isOurs(self, mark: EmittedMark) -> bool:
        if self.isShared and mark.key in self.kept:
            return True
        if mark.key in self._doubtful:
            self._doubtful.discard(mark.key)
            self.kept.remove(mark.key)
            return True
        return any(row.mark == mark for row in self.rows)

    def _place(
        self, topic: Topic, event: str, persist: bool, mark: EmittedMark, isTold: bool = True
    ) -> None:
        if persist and self.isShared:
            # The message is found by its id.
            if mark.key not in self.kept:
                self.kept.append(mark.key)
        elif persist:
            self.take(None, [mark])
            self.kept.append(mark.key)
        if self.isShared and isTold:
            if mark.key in self._known:
                return
            self._known.add(mark.key)
        if isTold:
            self.told.append((topic.canonical, event))

    def answer(self) -> None:
        """
        Let the publications that wait get their places.
        """
        waiting, self.waiting = self.waiting, []
        for done, _ in waiting:
            done.callback(None)


class EmittedCase(SynchronousTestCase):
    """
    A publisher whose database and topics are the test's.
    """

    isShared = False

    def setUp(self) -> None:
        self.outside = Outside(self.isShared)
        self.restart()

    def restart(self) -> None:
        """
        Start a daemon.
        """
        self.outside.isDead = False
        self.outside.waiting.clear()
        self.clock = Clock()
        self.publisher = EmittedPublisher(
            self.clock,
            self.outside,
            self.outside,
            RULES,
            self.outside.publish,
            1.0,
            isShared=self.isShared,
            waker=self.outside,
        )
        self.publisher.start()

    def turn(self, times: int = 30) -> None:
        """
        Let what is under way come to its end.
        """
        for _ in range(times):
            self.clock.advance(0)
            self.outside.answer()

    def events(self) -> list[str]:
        """
        The names of the events that subscribers get.
        """
        return [event for _, event in self.outside.told]
