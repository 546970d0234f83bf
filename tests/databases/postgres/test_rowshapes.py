"""
Tests for L{aerostack.databases.postgres.rowshapes}.
"""

from __future__ import annotations

from aerostack.cli.types import COERCION
from aerostack.cli.typescript import writeTypes
from aerostack.databases.postgres.rowshapes import STATEMENT, TYPES, readShapes
from tests.databases.postgres.querycase import QueryCase
from tests.postgres import ROLE


class RowShapeTests(QueryCase):
    """
    Tests for L{readShapes}, by C{db.query}.
    """

    def test_recognized(self) -> None:
        """
        PostgreSQL takes the statement that tells the databases apart.
        """
        self.assertEqual(self.query(COERCION)["results"], [{"coerced": True}])

    def test_columns(self) -> None:
        """
        Enums, arrays, documents, rows and domains have their shapes, under the names of the tables
        by which clients subscribe.  What cannot be followed is left out.
        """
        for statement in (
            "CREATE DOMAIN label AS text NOT NULL",
            "CREATE SCHEMA store",
            f"GRANT USAGE ON SCHEMA store TO {ROLE}",
            "CREATE TABLE store.bills (id uuid PRIMARY KEY, at timestamptz NOT NULL, m mood,"
            " moods mood[] NOT NULL, grid int[][], p pair, l label, d price, j jsonb, n bigint,"
            " raw bytea, ok bool NOT NULL, f float8)",
            "CREATE TABLE logs (day date) PARTITION BY RANGE (day)",
            "CREATE TABLE logs_1 PARTITION OF logs DEFAULT",
            "CREATE SCHEMA closed",
            "CREATE TABLE closed.secrets (a int)",
            "CREATE UNLOGGED TABLE gone (a int)",
            "CREATE VIEW seen AS SELECT 1 AS a",
        ):
            self.execute(statement)
        tables = readShapes(*(self.query(asked)["results"] for asked in (STATEMENT, TYPES)))
        self.assertEqual(sorted(tables), ["logs", "orders", "store.bills"])
        written = writeTypes(tables).splitlines()
        start = written.index('  "store.bills": {') + 1
        self.assertEqual(
            [line.strip() for line in written[start : written.index("  };", start)]],
            [
                "id: string;",
                "at: string;",
                'm: "happy" | "not so \\"happy\\"" | null;',
                'moods: ("happy" | "not so \\"happy\\"")[];',
                "grid: number[][] | null;",
                "p: { a: number | null; b: string | null;"
                ' c: ("happy" | "not so \\"happy\\"")[] | null } | null;',
                "l: string;",
                "d: number | null;",
                "j: Json;",
                "n: number | null;",
                "raw: { base64: string } | null;",
                "ok: boolean;",
                "f: number | null;",
            ],
        )
        self.assertIn("    id: number;", written)
