"""
Stops the admission of new connections while a process is behind with its work.
"""

from __future__ import annotations

from collections.abc import Callable

from aerostack.core.limits.admission import SOON, milliseconds
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig


class LagLimit:
    """
    Refuses new connections while this process lags.
    """

    def __init__(self, limits: LimitsConfig, random: Callable[[], float]) -> None:
        """
        @param random: Gives numbers from 0 up to, but not, 1.
        """
        self._random = random
        self._lag = 0.0
        self.reload(limits)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._longest = limits.lag

    @property
    def behind(self) -> bool:
        """Whether the process is too far behind with its work to take on more."""
        return self._longest is not None and self._lag >= self._longest

    def measured(self, lag: float) -> None:
        """
        Note the process's lag, in seconds.  An earlier lag only halves with each measurement,
        because one beat in time between two late ones means little.
        """
        self._lag = max(lag, self._lag / 2)

    def check(self) -> None:
        """
        Make sure that the process can take on one connection more.

        @raise RealtimeError: C{overloaded}.
        """
        if self.behind:
            raise RealtimeError(
                "overloaded",
                "The daemon is behind with its work; come back later.",
                milliseconds(SOON + (self._lag + SOON) * self._random()),
            )
