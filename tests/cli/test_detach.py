"""
Tests for L{aerostack.cli.detach}, with an SQLite file that no daemon uses.
"""

from __future__ import annotations

import io
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import main
from aerostack.core.topics.emitted import EmitRules
from aerostack.databases.open import openBackend
from aerostack.databases.sqlite.emitting import SQLiteEmittedEvents
from aerostack.settings.settings import DatabaseConfig


class _Terminal(io.StringIO):
    """
    A person who types.
    """

    def isatty(self) -> bool:
        return True


class DetachTests(SynchronousTestCase):
    """
    Tests for the command.
    """

    def setUp(self) -> None:
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        self.path = directory / "rt.db"
        self.config = directory / "rt.toml"
        self.config.write_text(
            """
            [server]
            listen = ["unix:/none.sock"]
            [database]
            url = "sqlite:///rt.db"
            [projects.p]
            secret_key = { credential = "there_is_none" }
            """
        )
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        self.before = self.dump()
        openBackend(DatabaseConfig(f"sqlite:///{self.path}")).prepare(0, 10, lambda _: None)

    def keep(self) -> None:
        """
        Keep two messages.
        """
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for number in range(2):
                connection.execute(
                    "INSERT INTO realtime_messages (room_id, created_at, id, kind, event, data)"
                    " VALUES ('chat/a/p', ?, ?, 'event', 'e', '1')",
                    (number, f"m{number}"),
                )

    def emit(self, *emitted: tuple[str, str]) -> None:
        """
        Emit events by transactions, which no daemon publishes.

        @param emitted: The topic and the name of each.
        """
        with closing(sqlite3.connect(self.path)) as connection, connection:
            SQLiteEmittedEvents().prepare(connection.cursor(), EmitRules(("p",), 200, 200, 1000))
            connection.executemany(
                "INSERT INTO aerostack_emit (topic, event, data) VALUES (?, ?, '1')", emitted
            )

    def dump(self) -> list[str]:
        """
        Everything in the database.
        """
        with closing(sqlite3.connect(self.path)) as connection:
            return list(connection.iterdump())

    def detach(self, *options: str, typed: str | None = None) -> tuple[int, str, str]:
        """
        Run the command.

        @param typed: What the person answers; L{None} without a terminal.
        """
        output, errors = io.StringIO(), io.StringIO()
        self.patch(sys, "stdin", io.StringIO() if typed is None else _Terminal(typed))
        self.patch(sys, "stdout", output)
        self.patch(sys, "stderr", errors)
        status = main(["detach", "--config", str(self.config), *options])
        return status, output.getvalue(), errors.getvalue()

    def test_asks(self) -> None:
        """
        On a terminal the command deletes messages when the person types yes, and says what it
        deletes.
        """
        self.keep()
        full = self.dump()
        for typed in ("no\n", "\n", "", "y\n"):
            status, output, errors = self.detach(typed=typed)
            self.assertEqual((status, output), (1, ""))
            self.assertIn(f"this deletes 2 kept messages from {self.path}", errors)
            self.assertIn("nothing was removed", errors)
            self.assertEqual(self.dump(), full)
        self.assertEqual(self.detach(typed="yes\n")[0], 0)
        self.assertEqual(self.dump(), self.before)

    def test_noTerminal(self) -> None:
        """
        Without a terminal messages are deleted only with C{--yes}.
        """
        self.keep()
        full = self.dump()
        status, output, errors = self.detach()
        self.assertEqual((status, output, errors.count("\n")), (1, "", 1))
        self.assertIn("give --yes", errors)
        self.assertEqual(self.dump(), full)
        status, output, errors = self.detach("--yes")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("removed realtime_messages (2 kept messages)\n", output)
        self.assertIn("holds nothing of aerostack-rt's any more.\n", output)
        self.assertEqual(self.dump(), self.before)

    def test_nothingToLose(self) -> None:
        """
        What the daemon makes again is removed without a question.
        """
        status, output, errors = self.detach()
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("removed realtime_messages\n", output)
        self.assertEqual(self.detach(), (0, "Nothing to remove.\n", ""))

    def test_dryRun(self) -> None:
        """
        A dry run says what would be removed and what would stay, and changes nothing.
        """
        self.keep()
        full = self.dump()
        status, output, errors = self.detach("--dry-run")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("would remove realtime_messages (2 kept messages)\n", output)
        removed = self.detach("--dry-run")[1].replace("would remove", "removed")
        status, output, _ = self.detach("--dry-run", "--keep-history")
        self.assertIn("would leave realtime_messages (2 kept messages)\n", output)
        self.assertNotIn("would remove", output)
        self.assertEqual(self.dump(), full)
        self.assertTrue(self.detach("--yes")[1].startswith(removed))

    def test_events(self) -> None:
        """
        The command names the events that were committed and never published: before it asks, in a
        dry run, and when it has deleted them.
        """
        self.emit(("orders", "order:paid"), ("chat/a", "e"), ("orders", "order:paid"))
        self.keep()
        named = "2 of order:paid on orders, 1 of e on chat/a"
        for typed in (None, "no\n"):
            errors = self.detach(typed=typed)[2]
            self.assertIn(
                f"this deletes 3 events that were never published ({named}) and 2 kept messages"
                f" from {self.path}",
                errors,
            )
        line = f"aerostack_emit (3 events that were never published: {named})\n"
        self.assertIn(f"would remove {line}", self.detach("--dry-run")[1])
        self.assertIn(f"removed {line}", self.detach("--yes")[1])
        self.assertEqual(self.dump(), self.before)

    def test_manyEvents(self) -> None:
        """
        Of many events the command names the most frequent, and counts the others; a name that is
        long is shortened.
        """
        self.emit(*(("chat/a", f"e{number}") for number in range(9)), ("chat/a", "x" * 150))
        self.emit(*(("chat/b", "often") for _ in range(3)))
        singles = "".join(f", 1 of e{number} on chat/a" for number in range(4))
        self.assertIn(
            "would remove aerostack_emit (13 events that were never published: 3 of often on"
            f" chat/b{singles}, 6 of other names)",
            self.detach("--dry-run")[1].splitlines(),
        )
        self.emit(*(("chat/b", "x" * 150) for _ in range(20)))
        self.assertIn(f"20 of {'x' * 59}… on chat/b", self.detach("--dry-run")[1])

    def test_password(self) -> None:
        """
        Where the database's password cannot be read, the message says what to set, and that is
        used.
        """
        self.config.write_text(
            """
            [server]
            listen = ["unix:/none.sock"]
            [database]
            url = "postgresql://rt@127.0.0.1:1/shop"
            password = { credential = "there_is_none" }
            """
        )
        status, output, errors = self.detach()
        self.assertEqual((status, output, errors.count("\n")), (1, "", 1))
        self.assertRegex(errors, "database.password: is the credential.* PGPASSWORD$")
        with patch.dict(os.environ, {"PGPASSWORD": "s3cret"}):
            status, _, errors = self.detach()
        self.assertEqual(status, 1)
        self.assertIn("postgresql://rt@127.0.0.1:1/shop: ", errors)
        self.assertNotIn("credential", errors)

    def test_keepHistory(self) -> None:
        """
        With C{--keep-history} the command names what it leaves, and asks nothing.
        """
        self.keep()
        status, output, errors = self.detach("--keep-history")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("left realtime_messages (2 kept messages)\n", output)
        self.assertIn("Nothing to remove.\n", output)
