"""
What the metrics say of the daemon as a whole: its version, its configuration and its certificates.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping

from aerostack import __version__
from aerostack.net.endpoints import Listener
from aerostack.net.http.metriclist import BUILD, keyOf
from aerostack.settings.listen import parseDescription

EXPIRY = "aerostack_certificate_expiry_timestamp_seconds"


class About:
    """
    What is known of this run of the daemon.

    @ivar listeners: The addresses that the daemon listens on.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        """
        self.listeners: list[Listener] = []
        self._wall = wall
        self._began = self._loaded = wall()
        self._isLoaded = True

    def reloaded(self, isGood: bool) -> None:
        """
        Note that the configuration was read again.

        @param isGood: Whether all of it was taken up, and the certificates too.
        """
        self._isLoaded = isGood
        if isGood:
            self._loaded = self._wall()

    def values(self) -> Mapping[str, float]:
        """
        The values of metrics.
        """
        return {
            keyOf(BUILD, __version__, platform.python_version()): 1,
            "process_start_time_seconds": self._began,
            "aerostack_config_last_reload_successful": int(self._isLoaded),
            "aerostack_config_last_reload_success_timestamp_seconds": self._loaded,
            **_expiries(self.listeners),
        }


def _expiries(listeners: Iterable[Listener]) -> dict[str, float]:
    """When the certificates expire, by the places of their listeners."""
    found: dict[str, float] = {}
    for listener in listeners:
        if listener.tls is not None:
            key = keyOf(EXPIRY, parseDescription(listener.description).place)
            expires = listener.tls.expires.timestamp()
            found[key] = min(expires, found.get(key, expires))
    return found
