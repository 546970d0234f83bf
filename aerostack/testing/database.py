"""
A database without threads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from aerostack.interfaces.tracking import IDatabase

T = TypeVar("T")


@implementer(IDatabase)
class SynchronousDatabase:
    """
    A real SQLite file whose interactions run at once, on the caller's thread.
    """

    def __init__(self, path: Path | str) -> None:
        self.connection = sqlite3.connect(str(path), isolation_level=None, timeout=0)
        self.connection.text_factory = lambda data: data.decode("utf-8", "replace")

    def run(self, interaction: Callable[..., T], *args: Any) -> Deferred[T]:
        with closing(self.connection.cursor()) as cursor:
            try:
                return succeed(interaction(cursor, *args))
            except Exception as error:
                # As on the daemon's threads: the caller's Deferred fails.
                if self.connection.in_transaction:
                    self.connection.rollback()
                return fail(error)

    def close(self) -> None:
        """
        Close the file.
        """
        self.connection.close()
