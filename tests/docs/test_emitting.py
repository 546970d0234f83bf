"""
Tests for the SQL of C{docs/emitting.rst}.
"""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from textwrap import dedent
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.topics.emitted import EmitRules
from aerostack.databases.migrations import migrate
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.emitting import PostgresEmittedEvents
from aerostack.databases.sqlite.emitting import SQLiteEmittedEvents
from tests.postgres import ADMIN, OWNER, ROLE, freshDatabase

PAGE = Path(__file__).parents[2] / "docs" / "emitting.rst"

RULES = EmitRules(("p",), 255, 128, 10_000)

TABLE = "CREATE TABLE orders (id integer PRIMARY KEY, shop_id integer, status text)"


def blocks(title: str) -> list[str]:
    """
    Find the blocks of SQL in a section of the page.
    """
    section = PAGE.read_text().split(f"\n{title}\n{'-' * len(title)}\n")[1]
    section = re.split(r"\n[^\n]+\n-{4,}\n", section)[0]
    found = re.findall(r"\.\. code-block:: (?:sql|postgresql)\n\n((?:    [^\n]*\n|\n)+)", section)
    return [dedent(each) for each in found]


class PageTests(SynchronousTestCase):
    """
    What the page tells readers to run.
    """

    def check(self, daemon: Any, events: Any) -> None:
        """
        Check what the page's statements have emitted.
        """
        read = events.read(daemon, 10, 10_000)
        found = [(e.topic, e.event, e.persist) for e in read if e.key is None]
        self.assertEqual(
            found,
            [
                ("orders", "order:paid", False),
                ("chat/general", "note", True),
                ("shop/7", "order:new", True),
            ],
        )
        self.assertEqual(
            [(e.key, e.event, json.loads(e.data)) for e in read if e.key is not None],
            [("seat-1", "taken", {"by": "ann"}), ("seat-2", "free", None)],
        )

    def test_sqlite(self) -> None:
        """
        The statements for SQLite emit what they say.
        """
        connection = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(connection.close)
        events = SQLiteEmittedEvents()
        events.prepare(connection.cursor(), RULES)
        emitting, keyed, trigger = blocks("SQLite")
        connection.execute(TABLE)
        connection.executescript(emitting)
        connection.executescript(keyed)
        connection.executescript(trigger)
        connection.execute("INSERT INTO orders VALUES (2, 7, 'new')")
        self.check(connection.cursor(), events)

    def test_postgres(self) -> None:
        """
        The statements for PostgreSQL grant a role what it needs, and emit what they say.
        """
        database = freshDatabase(self)
        daemon = database.connect(ROLE)
        self.addCleanup(daemon.close)
        migrate(daemon.cursor(), POSTGRES)
        events = PostgresEmittedEvents()
        events.prepare(daemon.cursor(), RULES)
        grants, emitting, keyed, trigger = blocks("PostgreSQL")
        daemon.execute(grants.replace("TO app", f"TO {OWNER}"))
        database.execute(TABLE, emitting, keyed, trigger, "INSERT INTO orders VALUES (2, 7, 'new')")
        self.check(daemon.cursor(), events)
        database.execute("DROP FUNCTION tell_order CASCADE", user=ADMIN)
