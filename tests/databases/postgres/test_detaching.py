"""
Tests for how L{aerostack.databases.postgres.backend} is asked by C{aerostack-rt detach}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.backend import Unusable
from aerostack.databases.open import openBackend
from aerostack.settings.settings import DatabaseConfig
from tests.postgres import ADMIN, PASSWORD, freshDatabase


class DetachingTests(SynchronousTestCase):
    """
    Tests with a server.
    """

    def test_locked(self) -> None:
        """
        What locks a table of the daemon is named, with the statement that ends it.
        """
        database = freshDatabase(self)
        backend = openBackend(DatabaseConfig(database.tcp(), PASSWORD))
        backend.prepare(0, 10, lambda _: None)
        with database.connect(ADMIN) as holder:
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE _aerostack.messages")
            error = self.assertRaises(Unusable, backend.survey)
            self.assertRegex(
                str(error),
                r"the database has its table _aerostack\.messages locked by process \d+ \(.*\)"
                r".*, which SELECT pg_terminate_backend\(\d+\) ends$",
            )
