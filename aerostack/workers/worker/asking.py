"""
What a worker asks the hub.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError, fail
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.workers.channel import ChannelLost
from aerostack.workers.worker.links import HubLink

MOST = 8_388_608
"""How many bytes of questions may wait for their answers."""

RETRY_AFTER = 1000
"""Milliseconds after which a client may try again."""


def unanswered(failure: Failure) -> Failure:
    """
    What the caller of a question gets that the hub has not answered; any other failure stays as it
    is.
    """
    if failure.check(TimeoutError, ChannelLost):
        error = "The daemon's hub did not answer."
        return Failure(RealtimeError("engine_unavailable", error, RETRY_AFTER))
    return failure


class BoundedQuestions:
    """
    The questions of one part of a worker, which are bounded in bytes.
    """

    def __init__(self, channel: HubLink, most: int = MOST) -> None:
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
        # The hub bounds the time that each question takes.  Nothing may be granted after the asker
        # has stopped waiting.
        asked = self._channel.ask(question, None)
        self._size += size
        return asked.addBoth(self._answered, size)

    def _answered(self, result: Any, size: int) -> Any:
        self._size -= size
        if isinstance(result, Failure) and result.check(ChannelLost):
            raise RealtimeError("engine_unavailable", "The hub is gone.", RETRY_AFTER)
        return result
