"""
The logs that nodes share, as a worker follows them over the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import SharedEntry
from aerostack.interfaces.engine import ILogFeed, ILogReceiver
from aerostack.workers.messages.logs import Detach
from aerostack.workers.messages.sharing import (
    Broken,
    EngineDown,
    EngineUp,
    Entered,
    EntriesRead,
    Follow,
    Followed,
    ReadEntries,
    placeOf,
)
from aerostack.workers.worker.asking import unanswered
from aerostack.workers.worker.backlogs import Backlogs
from aerostack.workers.worker.links import HubLink

PATIENCE = 30.0
"""Seconds that the hub has for an answer.  The hub waits for the engine less long."""

NOWHERE = Position("", 0, 0)
"""The place in a table's topic, of which the worker needs none."""


@implementer(ILogFeed)
class RemoteLog:
    """
    Follows topics at the hub.

    @ivar isUp: The hub answers at once for the topics of tables, whether the engine answers or
        not, and sends their members with the answer.
    @ivar handlers: See L{aerostack.workers.worker}.
    """

    isUp = True

    def __init__(self, hub: HubLink, backlogs: Backlogs) -> None:
        """
        @param backlogs: Tells the hub how much of each topic is still to be sent.
        """
        self._hub = hub
        self._backlogs = backlogs
        self._receiver: ILogReceiver
        self._followed: set[str] = set()
        # By topic, the question whose answer is waited for.
        self._waiting: dict[str, Deferred[Any]] = {}
        self.handlers: Mapping[type, Callable[[Any], None]] = {
            Entered: self._entered,
            Broken: self._broken,
            EngineDown: lambda _: self._receiver.down("The hub has no connection to the engine."),
            EngineUp: lambda _: self._receiver.up(),
        }

    def start(self, receiver: ILogReceiver) -> None:
        self._receiver = receiver

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        question = Follow(topic, None if known is None else placeOf(known))
        asked = self._waiting[topic] = self._hub.ask(question, PATIENCE)
        attached: Deferred[Position] = asked.addCallbacks(
            partial(self._attached, topic), partial(self._refused, topic)
        )
        return attached

    def _attached(self, topic: str, answer: Followed) -> Position:
        del self._waiting[topic]
        self._followed.add(topic)
        return NOWHERE if answer.place is None else answer.place.position

    def _refused(self, topic: str, failure: Failure) -> Failure:
        # It is not there if the topic was detached.
        self._waiting.pop(topic, None)
        if failure.check(TimeoutError):
            # The hub may still get to it.
            self._hub.send(Detach(topic))
        return unanswered(failure)

    def detach(self, topic: str) -> None:
        waiting = self._waiting.pop(topic, None)
        if waiting is not None:
            waiting.cancel()
        elif topic in self._followed:
            self._followed.remove(topic)
            self._backlogs.forget(topic)
        else:
            return
        self._hub.send(Detach(topic))

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        asked = self._hub.ask(ReadEntries(topic, after, until, limit, size), PATIENCE)
        return asked.addCallbacks(_entriesOf, unanswered)

    # What comes

    def _entered(self, message: Entered) -> None:
        topic = message.topic
        if topic in self._followed:
            self._receiver.received(topic, message.entry)
            self._backlogs.note(topic)

    def _broken(self, message: Broken) -> None:
        if message.topic in self._followed:
            self._receiver.broken(message.topic, message.head.position, message.reason)


def _entriesOf(answer: EntriesRead) -> list[SharedEntry]:
    return [each.entry for each in answer.entries]
