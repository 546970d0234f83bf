"""
Tests of a pool of connections, for every database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from aerostack.databases.pool import PooledDatabase


class PoolContract:
    """
    To be mixed into a test case that has a database with a table C{t}.

    @ivar database: The pool, with two threads.
    @ivar rows: Gives the rows that another connection sees in the table.
    """

    database: PooledDatabase
    rows: Callable[[], list[Any]]
    assertEqual: Any
    assertIs: Any
    assertIsNot: Any

    async def test_threads(self) -> None:
        """
        An interaction runs on another thread, and its result arrives on the reactor's thread.
        """

        def interaction(cursor: Any, a: int, b: int) -> Any:
            cursor.execute(f"SELECT {a} + {b}")
            return threading.current_thread(), cursor.fetchone()

        ran, row = await self.database.run(interaction, 1, 2)
        self.assertEqual(row, (3,))
        self.assertIsNot(ran, threading.current_thread())
        self.assertIs(threading.current_thread(), threading.main_thread())

    async def test_committed(self) -> None:
        """
        When an interaction has returned, every connection sees what it wrote.
        """

        def interaction(cursor: Any) -> None:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO t VALUES (1)")

        await self.database.run(interaction)
        self.assertEqual(self.rows(), [1])
