"""
Tests for L{aerostack.databases.sqlite.kinds}.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.kinds import kindOf


class KindTests(SynchronousTestCase):
    """
    Tests for L{kindOf}.
    """

    def test_kinds(self) -> None:
        """
        Each error of SQLite has its kind.
        """
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a REFERENCES t (id))")
            connection.execute("CREATE TABLE w (a TEXT PRIMARY KEY) WITHOUT ROWID")
            connection.execute("INSERT INTO w VALUES ('x')")
            for sql, parameters, kind in (
                ("INSERT INTO t VALUES (1, 2)", (), "foreign_key_violation"),
                ("INSERT INTO w VALUES ('x')", (), "unique_violation"),
                ("INSERT INTO w VALUES (NULL)", (), "not_null_violation"),
                ("INSERT INTO t (id) VALUES ('x')", (), "invalid_value"),
                ("INSERT INTO t (nocolumn) VALUES (1)", (), "undefined"),
                ("SELECT json_extract('{', '$')", (), "invalid_value"),
                ("SELECT (", (), "syntax_error"),
                ("INSERT INTO w VALUES (1, 2)", (), "syntax_error"),
                ("INSERT INTO t (id) VALUES (1, 2)", (), "syntax_error"),
                ("SELECT a FROM t, w", (), "syntax_error"),
                ("SELECT count(count(a)) FROM w", (), "syntax_error"),
                ("SELECT abs(1, 2)", (), "undefined"),
                ("SELECT ?", (2**64,), "invalid_value"),
                ("SELECT ?", (), "invalid_parameters"),
                ("ATTACH '/nowhere/x' AS x", (), "other"),
            ):
                with self.assertRaises((sqlite3.Error, OverflowError)) as caught:
                    connection.execute(sql, parameters).fetchall()
                error = caught.exception
                self.assertEqual(kindOf(error), kind, f"{sql}: {error}")
