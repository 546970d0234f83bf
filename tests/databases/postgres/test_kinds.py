"""
Tests for L{aerostack.databases.postgres.kinds}.
"""

from __future__ import annotations

from aerostack.databases.postgres.kinds import kindOf
from aerostack.errors import SQL_KINDS
from tests.databases.postgres.querycase import QueryCase


class KindTests(QueryCase):
    """
    Tests for L{kindOf}.
    """

    def test_database(self) -> None:
        """
        The error of a statement has PostgreSQL's code and its kind.
        """
        self.execute("CREATE TABLE parts (id int REFERENCES orders (id))")
        for sql, sqlstate, kind in (
            ("INSERT INTO parts VALUES (7)", "23503", "foreign_key_violation"),
            ("SELECT 1 / 0", "22012", "invalid_value"),
            ("CREATE TABLE public.mine ()", "42501", "permission_denied"),
            ("DO $$BEGIN RAISE 'no'; END$$", "P0001", "raised"),
            ("VACUUM orders", "25001", "not_allowed"),
        ):
            found = self.refused(sql).details
            self.assertEqual(found, {"kind": kind, "sqlstate": sqlstate}, sql)

    def test_passing(self) -> None:
        """
        What another attempt mends has a kind, too.
        """
        for sqlstate, kind in (
            ("40001", "serialization_failure"),
            ("40P01", "serialization_failure"),
            ("55P03", "locked"),
        ):
            sql = f"DO $$BEGIN RAISE SQLSTATE '{sqlstate}'; END$$"
            error = self.refused(sql)
            self.assertEqual((error.code, error.details["kind"]), ("database_unavailable", kind))

    def test_documented(self) -> None:
        """
        Every code has a kind that is documented.
        """
        for sqlstate in ("23505", "23P01", "42P07", "44000", "57014", "57P01", "XX000", ""):
            self.assertIn(kindOf(sqlstate), SQL_KINDS)
