"""
What the hub itself does, for operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from aerostack.admin.sampler import Sampler
from aerostack.core.diagnosis.latencies import Latencies
from aerostack.core.diagnosis.questions import AskWork, Question
from aerostack.core.diagnosis.samples import Counts


class HubWork:
    """
    Takes samples of what the hub does: it alone knows all publications and changes.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        published: Callable[[], int],
        changed: Callable[[], int],
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param published: Gives the number of publications since the start.
        @param changed: Gives the number of changes of tables since the start.
        """
        # Workers count connections, and how long frames take to the sockets.
        self._sampler = Sampler(
            clock,
            wall,
            lambda: Counts(0, 0, published(), changed(), 0),
            Latencies(),
            Latencies(),
        )

    def start(self) -> None:
        """
        Begin to take samples.
        """
        self._sampler.startService()

    def stop(self) -> None:
        """
        Take no more samples.
        """
        self._sampler.stopService()

    def answer(self, question: Question) -> dict[str, Any] | None:
        """
        Answer what an operator asks of every process.

        @return: L{None} if the workers know more about it.
        """
        if not isinstance(question, AskWork):
            return None
        return {
            "started": int(self._sampler.started * 1000),
            "samples": self._sampler.samples.since(question.since),
        }
