"""
Tests for L{aerostack.server.connecting}.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

from twisted.trial.unittest import SynchronousTestCase

from aerostack.server.connecting import askAll, askDatabase, askServer
from aerostack.server.findings import Finding, Level
from aerostack.settings.settings import DatabaseConfig
from tests.ports import freePort


class ConnectingTests(SynchronousTestCase):
    """
    Tests for what a check connects to.
    """

    def test_late(self) -> None:
        """
        What does not answer in time is named, and what has answered is told.
        """
        ended = Event()
        self.addCleanup(ended.set)

        def hang() -> Iterator[Finding]:
            ended.wait()
            yield Finding(Level.NOTE, "never")

        answered = Finding(Level.NOTE, "b: answers")
        late, found = askAll({"a": hang, "b": lambda: [answered]}, 0.5)
        self.assertEqual(found, answered)
        self.assertEqual(
            (late.level, late.text), (Level.ERROR, "a: has not answered for 0.5 seconds")
        )

    def test_database(self) -> None:
        """
        A database that is not there yet is noted, and one that cannot be used is an error.
        """
        path = Path(self.mktemp()).absolute()
        config = DatabaseConfig(f"sqlite:///{path}")
        (found,) = askDatabase(config, Path("rt.toml"))
        self.assertEqual(found.level, Level.NOTE)
        self.assertFalse(path.exists())
        path.write_text("no database" * 100)
        (found,) = askDatabase(config, Path("rt.toml"))
        self.assertEqual(found.level, Level.ERROR)
        self.assertIn("not a database", found.text)

    def test_model(self) -> None:
        """
        The server of a model is connected to, and is named if it cannot be reached.
        """
        port = freePort(self)
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        with closing(socket.create_server(("127.0.0.1", port))):
            (found,) = askServer("ai.models.m.url", url)
        self.assertEqual(found.level, Level.NOTE)
        (found,) = askServer("ai.models.m.url", url)
        self.assertEqual(found.level, Level.ERROR)
        self.assertIn(f"ai.models.m.url: 127.0.0.1:{port} cannot be reached", found.text)
