"""
What the tests of a journal share, for every database; see
L{aerostack.interfaces.tracking.IJournal}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aerostack.core.rows.changes import Change
from aerostack.core.rows.journal import Loss
from tests.databases.support import Steps, lossOf

T = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)"


class JournalContract(Steps):
    """
    To be mixed into a test case that has a database.

    @ivar refusal: The driver's exception for a row that breaks a constraint.
    @ivar error: The base class of the driver's exceptions.
    @ivar letReadersIn: Lets readers read while another program writes, if the database does not
        do that anyway.
    @ivar rows: Gives the rows of a table in the form of its changes.
    @ivar inventory: Gives all objects in the database, without rows.
    @ivar isOpen: Whether the writer is in a transaction.
    """

    refusal: type[Exception]
    error: type[Exception]
    letReadersIn: Callable[[], None]
    rows: Callable[[str], list[Any]]
    inventory: Callable[[], list[Any]]
    isOpen: Callable[[], bool]
    addCleanup: Any
    assertIn: Any
    assertIsInstance: Any
    assertLess: Any
    assertNotEqual: Any
    assertNotIn: Any
    assertRaises: Any
    assertTrue: Any

    def assertLost(self, events: list[Change | Loss], *words: str) -> list[Change | Loss]:
        """
        Check that the first event is the loss of the table C{t}.

        @return: The other events.
        """
        first, *rest = events
        loss = lossOf(first)
        self.assertEqual((loss.table, loss.error.code), ("t", "table_lost"))
        for word in ("'t'", *words):
            self.assertIn(word, loss.error.message)
        return rest
