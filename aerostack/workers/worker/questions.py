"""
What a worker asks the hub to read.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred, fail

from aerostack.errors import RealtimeError
from aerostack.workers.frames import FrameError
from aerostack.workers.messages.reads import Piece, Unreadable

Decode = Callable[[bytes], list[Any]]
"""Decodes a list."""


class ReadFailed(Exception):
    """
    The hub could not ask the database.

    @ivar fault: See L{Unreadable}.
    """

    def __init__(self, reason: str, fault: str | None) -> None:
        super().__init__(reason)
        self.fault = fault


class Hub(Protocol):
    """
    The channel to the hub.
    """

    def send(self, message: Struct) -> None:
        """Send a message."""

    def ask(self, question: Struct, timeout: float | None) -> Deferred[Any]:
        """Send a question; see L{aerostack.workers.channel.Channel.ask}."""


class _Reading:
    """
    A list that comes in pieces.

    @ivar found: What has come.
    """

    def __init__(self, decode: Decode) -> None:
        self.found: list[Any] = []
        self._decode = decode
        self._begun: list[bytes] = []

    def add(self, piece: Piece) -> None:
        """
        Take the next piece.
        """
        self._begun.append(piece.data)
        if piece.isLast:
            # Each list is small, so that no turn of the reactor has much to decode.
            encoded, self._begun = b"".join(self._begun), []
            self.found.extend(self._decode(encoded))


class Questions:
    """
    Asks the hub.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._numbers = count(1)
        self._readings: dict[int, _Reading] = {}
        self.handlers: dict[type[Struct], Callable[[Any], object]] = {Piece: self._add}

    def ask(self, make: Callable[[], Struct]) -> Deferred[Any]:
        """
        Ask a question.

        @param make: Makes the question.
        @return: Fires with the answer.  Fails with the hub's L{RealtimeError}; with
            C{too_large} if the question is too large for a message; or with L{ReadFailed}.
        """
        try:
            # The hub answers everything, and a worker does not outlive its hub.
            asked = self._hub.ask(make(), None)
        except FrameError:
            return fail(RealtimeError("too_large", "The request is too large for the daemon."))
        except UnicodeEncodeError:
            # The text has half a character, which no database keeps.
            return fail(RealtimeError("invalid_arguments", "The request has half a character."))
        return asked.addCallback(_readable)

    def read(
        self, make: Callable[[int], Struct], decode: Decode
    ) -> Deferred[tuple[Any, list[Any]]]:
        """
        Ask for a list.

        @param make: Makes the question, with a number for the pieces of the list.
        @return: Fires with the answer and the list.  Fails as L{ask} does.
        """
        number = next(self._numbers)
        reading = self._readings[number] = _Reading(decode)

        def end(result: Any) -> Any:
            del self._readings[number]
            return result

        asked = self.ask(lambda: make(number)).addBoth(end)
        return asked.addCallback(lambda answer: (answer, reading.found))

    def _add(self, piece: Piece) -> None:
        reading = self._readings.get(piece.number)
        # The asker may have stopped waiting.
        if reading is not None:
            reading.add(piece)


def _readable(answer: Any) -> Any:
    if isinstance(answer, Unreadable):
        raise ReadFailed(answer.reason, answer.fault)
    return answer


def second(read: tuple[Any, list[Any]]) -> list[Any]:
    """
    The list that L{Questions.read} fires with.
    """
    return read[1]
