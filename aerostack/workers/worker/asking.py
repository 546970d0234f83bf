"""
What a worker asks the hub.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError, fail
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.workers.channel import ChannelLost

MOST = 8_388_608
"""How many bytes of questions may wait for their answers."""

PATIENCE = 3600.0
"""
Seconds after which an answer is not awaited any more.  The hub bounds the time that each question
takes.  If the hub does not work at all, nothing else does, and what was asked for may still be
granted when it goes on.
"""

RETRY_AFTER = 1000
"""Milliseconds after which a client may try again."""


class Asker(Protocol):
    """
    Carries messages and questions to the hub, in order.  L{aerostack.workers.channel.Channel} is
    one.
    """

    def send(self, message: Struct) -> None:
        """Send a message."""

    def ask(self, question: Struct, timeout: float) -> Deferred[Any]:
        """Send a question."""


class Questions:
    """
    The questions of one part of a worker, which are bounded in bytes.
    """

    def __init__(self, channel: Asker, most: int = MOST) -> None:
        """
        @param most: How many bytes of questions may wait for their answers.
        """
        self._channel = channel
        self._most = most
        self._size = 0

    def ask(self, question: Struct, size: int) -> Deferred[Any]:
        """
        Ask the hub.

        @param size: About how many bytes the question has.
        @return: A L{Deferred} of the answer.  Fails with L{RealtimeError}: the hub's, or
            C{overloaded} if too much waits, or C{engine_unavailable} if the hub is gone.
        """
        if self._size + size > self._most:
            return fail(
                RealtimeError("overloaded", "The hub is behind; try again later.", RETRY_AFTER)
            )
        self._size += size
        return self._channel.ask(question, PATIENCE).addBoth(self._answered, size)

    def _answered(self, result: Any, size: int) -> Any:
        self._size -= size
        if isinstance(result, Failure) and result.check(ChannelLost, TimeoutError):
            raise RealtimeError("engine_unavailable", "The hub does not answer.", RETRY_AFTER)
        return result
