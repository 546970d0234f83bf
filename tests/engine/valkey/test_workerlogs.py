"""
Tests of shared logs whose nodes have workers, against a real server: every worker promises what a
node without workers promises.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.replay.log import Depth
from tests.engine.lognodes import DEPTH
from tests.engine.logs import LogContract
from tests.engine.valkey import test_failures, test_log, test_outage, test_rollback
from tests.engine.valkey.nodes import NodesCase
from tests.workers.sharedlogs import WorkerLog


class OverWorkers(NodesCase):
    """
    Has each node be a worker with its hub.
    """

    def makeLog(self, name: str, depth: Depth = DEPTH) -> Any:
        log = super().makeLog(name, depth)
        over = WorkerLog(log)
        self.links[over] = self.links[log]
        return over


class ContractTests(OverWorkers, LogContract):  # type: ignore[misc]
    """
    A worker's log is a log as every other.
    """


class RelayedTests(OverWorkers, test_log.RelayedLogTests):
    """
    It is so too where the hub's line is slow and halves every packet.
    """


class CutTests(OverWorkers, test_outage.CutTests):
    """
    The hub's line to the server breaks.
    """


class PatienceTests(OverWorkers, test_outage.PatienceTests):
    """
    The server does not answer the hub.
    """


class KilledTests(OverWorkers, test_failures.KilledTests):
    """
    The server is killed.
    """


class RestoredTests(OverWorkers, test_rollback.RestoredTests):
    """
    The server comes back older.
    """


class EmptiedTests(OverWorkers, test_rollback.EmptiedTests):
    """
    The server comes back without data.
    """


class ComparedTests(OverWorkers, test_rollback.ComparedTests):
    """
    The hub compares its heads with the server's.
    """
