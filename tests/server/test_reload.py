"""
Tests for L{aerostack.server.reload}.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.server.reload import changesRights, merge, sectionsThatWait
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import (
    Config,
    DatabaseConfig,
    HistoryConfig,
    LogConfig,
    PresenceConfig,
    ReplayConfig,
    ServerConfig,
    TrackerConfig,
)
from aerostack.settings.tables import TableConfig
from aerostack.testing import makeProject

RUNNING = Config(
    path=Path("rt.toml"),
    server=ServerConfig(("tcp:1",)),
    database=DatabaseConfig("sqlite:///rt.db"),
    tracker=TrackerConfig(tables=("orders",)),
    presence=PresenceConfig(),
    history=HistoryConfig(),
    replay=ReplayConfig(),
    topics={},
    tables={},
    limits=LimitsConfig(),
    log=LogConfig(),
    projects={"p": makeProject()},
)

READ = replace(
    RUNNING,
    server=ServerConfig(("tcp:2",), restartTime=7.0, console="off", workerMemory=10**9),
    tracker=TrackerConfig(tables=("orders", "lines"), pollInterval=9.0),
    presence=PresenceConfig(grace=99.0),
    limits=LimitsConfig(connections=5),
)


class ReloadTests(SynchronousTestCase):
    """
    A configuration that was read again.
    """

    def test_merge(self) -> None:
        """
        Limits, tables and some settings of the server are taken over, and addresses, the
        tracker's interval and presence are not.
        """
        merged = merge(RUNNING, READ)
        self.assertEqual(merged.limits, READ.limits)
        self.assertEqual(merged.presence, RUNNING.presence)
        self.assertEqual(merged.server, replace(READ.server, listen=("tcp:1",)))
        self.assertEqual(merged.tracker, replace(RUNNING.tracker, tables=("orders", "lines")))

    def test_waiting(self) -> None:
        """
        The sections with settings that take a restart are named, and no others.
        """
        waiting = sectionsThatWait(READ, merge(RUNNING, READ))
        self.assertEqual(sorted(waiting), ["presence", "server", "tracker"])
        same = replace(RUNNING, limits=READ.limits)
        self.assertEqual(sectionsThatWait(same, merge(RUNNING, same)), [])

    def test_rights(self) -> None:
        """
        Projects, tables and the rules for them bear on rights; limits do not.
        """
        for change, changes in (
            ({"projects": {}}, True),
            ({"tables": {"orders": TableConfig(read=("key",))}}, True),
            ({"tracker": READ.tracker}, True),
            ({"limits": READ.limits}, False),
        ):
            after = replace(RUNNING, **change)  # type: ignore[arg-type]
            self.assertEqual(changesRights(RUNNING, after), changes, change)
