"""
Tests that clients of a worker see of tables what clients of a single process see: the tests of
tables, recovery and their stories, with a channel between the clients and the tracker.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.worker.questions import ReadFailed
from tests.recovery import test_recovery
from tests.stories import (
    readers,
    test_altered,
    test_beginnings,
    test_filtering,
    test_gaps,
    test_mirror,
    test_readers,
    test_reauthorizing,
    test_resume,
    test_transactions,
)
from tests.tables import test_feed, test_permit, test_status
from tests.workers.joined import LastingWorld, RemoteWorld

MODULES = (
    readers,
    test_altered,
    test_beginnings,
    test_feed,
    test_filtering,
    test_gaps,
    test_mirror,
    test_permit,
    test_readers,
    test_reauthorizing,
    test_recovery,
    test_resume,
    test_status,
    test_transactions,
)

# They replace parts of the tracker, so they stay in one process.
ELSEWHERE = {"test_lineage", "test_unavailable", "test_columnsAreLost", "test_columnsComeLate"}

# They expect in memory what came while the table had no subscriber.
LASTING = {"test_atOnce", "test_lastPage", "test_cutAgain"}


def makeCase(module: ModuleType, case: type[SynchronousTestCase]) -> type[SynchronousTestCase]:
    """
    Make a case whose tests run in a L{RemoteWorld}.
    """

    def setUp(self: SynchronousTestCase) -> None:
        world = LastingWorld if self._testMethodName in LASTING else RemoteWorld
        for each in MODULES:
            if hasattr(each, "World") and self._testMethodName not in ELSEWHERE:
                self.patch(each, "World", world)
        case.setUp(self)
        # A fault of the database has this kind at a worker.
        self.addCleanup(self.flushLoggedErrors, ReadFailed)

    name = f"{module.__name__.rpartition('.')[2]}_{case.__name__}"
    return type(name, (case,), {"setUp": setUp, "__module__": __name__})


def cases() -> Iterator[type[SynchronousTestCase]]:
    """
    Give the cases of all modules.
    """
    for module in MODULES:
        for each in tuple(vars(module).values()):
            if (
                isinstance(each, type)
                and issubclass(each, SynchronousTestCase)
                and each.__module__ == module.__name__
            ):
                yield makeCase(module, each)


globals().update({case.__name__: case for case in cases()})
