"""
A hub and its workers in one process, joined by real channels over pipes in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.testing.pipes import joinedPipes
from aerostack.workers.channel import Channel
from aerostack.workers.frames import Codec
from aerostack.workers.messages import clients, line, presence, shares

KINDS = (*presence.KINDS, *clients.KINDS, *shares.KINDS, *line.KINDS)


class Parts:
    """
    One end of a channel, with the parts that take its messages.

    @ivar reasons: Why the channel has ended, once it has.
    """

    def __init__(
        self,
        clock: Clock,
        pipe: Any,
        codec: Codec,
        make: Callable[[Channel], Sequence[Any]],
        isHub: bool,
    ) -> None:
        """
        @param make: Makes the parts.
        """
        self.reasons: list[Failure] = []
        self.channel = Channel(clock, pipe, codec, self)
        self.parts = make(self.channel)
        self._handlers = {k: h for part in self.parts for k, h in part.handlers.items()}
        self._first = (self.channel,) if isHub else ()
        self.channel.start()

    def received(self, message: Any) -> None:
        self._handlers[type(message)](*self._first, message)

    def asked(self, question: Any) -> Any:
        return self._handlers[type(question)](*self._first, question)

    def lost(self, reason: Failure) -> None:
        self.reasons.append(reason)
        for part in self.parts if self._first else ():
            part.lost(self.channel)


class Linked:
    """
    A hub with workers.

    @ivar clock: The clock of all of them.
    @ivar kinds: The kinds of their messages.
    @ivar ends: For each worker, the hub's end of its channel, which is the worker's link.
    @ivar workers: For each worker, its own end.
    """

    def __init__(
        self,
        clock: Clock,
        hub: Sequence[Any],
        make: Callable[[Channel], Sequence[Any]],
        kinds: Sequence[Any] = KINDS,
    ) -> None:
        """
        @param hub: The parts of the hub.
        @param make: Makes the parts of one worker.
        """
        self.clock = clock
        self.kinds = kinds
        self.codec = Codec(kinds)
        self.ends: list[Parts] = []
        self.workers: list[Parts] = []
        self._hub = hub
        self._make = make

    def add(self) -> Sequence[Any]:
        """
        Start one more worker.

        @return: Its parts.
        """
        first, second = joinedPipes(self.clock)
        end = Parts(self.clock, first, self.codec, lambda channel: self._hub, True)
        number = len(self.ends)
        self.ends.append(end)
        for part in self._hub:
            if hasattr(part, "joined"):
                part.joined(end.channel, *((f"w{number}",) if hasattr(part, "names") else ()))
        self.workers.append(Parts(self.clock, second, self.codec, self._make, False))
        return self.workers[-1].parts

    def kill(self, number: int) -> None:
        """
        End a worker.
        """
        self.workers[number].channel.close()

    def settle(self) -> None:
        """
        Let the reactor turn until nothing is on its way.
        """
        for _ in range(100_000):
            now = self.clock.seconds()
            if not any(call.getTime() <= now for call in self.clock.getDelayedCalls()):
                return
            self.clock.advance(0)
        raise AssertionError("the reactor never comes to rest")


def outcome(waited: Any) -> list[Any]:
    """
    Collect what something leads to: its result, or its failure.

    @param waited: A L{Deferred}, or a result.
    """
    results: list[Any] = []
    if isinstance(waited, Deferred):
        waited.addBoth(results.append)
    else:
        results.append(waited)
    return results


def code(results: list[Any]) -> str | None:
    """
    The code of the error that something has led to; L{None} if it has led to something else.
    """
    (result,) = results
    if not isinstance(result, Failure):
        return None
    error = result.value
    assert isinstance(error, RealtimeError), result
    return error.code
