"""
Tests for L{aerostack.databases.postgres.identity}.
"""

from __future__ import annotations

from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.identity import identify
from tests.postgres import ADMIN, OWNER, freshDatabase


class IdentityTests(SynchronousTestCase):
    """
    Tests for L{identify}.
    """

    def test_different(self) -> None:
        """
        Two connections to one database find the same, also as a role with few rights; another
        database of the same server is another one.
        """
        one, other = freshDatabase(self), freshDatabase(self)
        found = []
        for database in (one, one, other):
            with closing(database.connect(OWNER)) as connection:
                found.append(identify(connection.cursor(), POSTGRES))
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[0], found[2])
        self.assertRegex(found[0], r"\A\d{10,}:\d+\Z")

    def test_hidden(self) -> None:
        """
        If the server hides the number of its data, databases on it are told apart all the same.
        """
        one, other = freshDatabase(self), freshDatabase(self)
        for database in (one, other):
            database.execute("REVOKE ALL ON FUNCTION pg_control_system() FROM PUBLIC", user=ADMIN)
        found = []
        for database in (one, other):
            with closing(database.connect(OWNER)) as connection:
                found.append(identify(connection.cursor(), POSTGRES))
        self.assertNotEqual(*found)
        self.assertRegex(found[0], r"\A:\d+\Z")
