"""
Tests for L{aerostack.databases.sqlite.rowshapes}.
"""

from __future__ import annotations

from aerostack.cli.types import COERCION
from aerostack.databases.sqlite.rowshapes import STATEMENT, readShapes
from tests.databases.sqlite.test_query import QueryCase


class RowShapeTests(QueryCase):
    """
    Tests for L{readShapes}, by C{db.query}.
    """

    def test_recognized(self) -> None:
        """
        SQLite takes the statement that tells the databases apart.
        """
        self.assertEqual(self.query(COERCION)["results"], [{"coerced": 0}])

    def test_columns(self) -> None:
        """
        Every declared type has a shape, and only what may be NULL is nullable.
        """
        self.execute("DROP TABLE orders")
        self.execute("CREATE VIEW v AS SELECT 1 AS a")
        self.execute(
            "CREATE TABLE 'my table' (id INTEGER PRIMARY KEY, name VARCHAR(9) NOT NULL, price REAL,"
            " total DECIMAL(9,2), paid BOOLEAN, at DATETIME, doc JSON, bytes BLOB, other,"
            " twice AS (price * 2))"
        )
        tables = readShapes(self.query(STATEMENT)["results"])
        self.assertEqual(
            {
                name: [(c.name, c.shape.kind.name, c.isNullable) for c in columns]
                for name, columns in tables.items()
            },
            {
                "my table": [
                    ("id", "WIDE", False),
                    ("name", "TEXT", False),
                    ("price", "FLOAT", True),
                    ("total", "WIDE", True),
                    ("paid", "NUMBER", True),
                    ("at", "MIXED", True),
                    ("doc", "TEXT", True),
                    ("bytes", "BYTES", True),
                    ("other", "ANY", True),
                    ("twice", "ANY", True),
                ]
            },
        )
