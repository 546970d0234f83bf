"""
Makes what reads the changes of tables.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aerostack.databases.backend import Backend, Pools
from aerostack.settings.settings import TrackerConfig
from aerostack.tracker.tracker import ChangeTracker
from aerostack.tracker.waking import SharedWaker


def makeTracker(
    reactor: Any,
    wall: Callable[[], float],
    config: TrackerConfig,
    pools: Pools,
    backend: Backend,
    waker: SharedWaker | None,
    path: Path,
) -> ChangeTracker:
    """
    Make the tracker of a database.

    @param wall: Gives the time of day, seconds since the epoch.
    @param waker: L{None} if the tracker only polls.
    @param path: The configuration.
    """
    return ChangeTracker(
        reactor,
        pools.tracker,
        backend.journal(config),
        config.pollInterval,
        wall=wall,
        reads=pools.reads,
        waker=None if waker is None else waker.share(),
        retention=config.retention,
        # The journal must go on for as long as a client may come back for changes.
        grace=max(60.0, config.retention),
        config=str(path),
    )
