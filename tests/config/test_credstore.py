"""
Tests for L{aerostack.config.credstore}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.config.credstore import NotFound, locate, unitOf

CONFIG = Path("/etc/aerostack-rt/rt.toml")


class LocateTests(SynchronousTestCase):
    """
    Tests for L{locate}.
    """

    def test_places(self) -> None:
        """
        A credential is looked for where systemd has it while the unit runs, and then in the stores.
        """
        running = Path("/run/credentials/aerostack-rt.service/k")
        store = Path("/etc/credstore/aerostack-rt.k")
        source = {"credential": "k"}
        for readable, found in (({running, store}, running), ({store}, store)):
            self.assertEqual(
                locate(source, CONFIG, {}, readable.__contains__), {"file": str(found)}
            )
        error = self.assertRaises(NotFound, locate, source, CONFIG, {}, lambda path: False)
        self.assertIn(f"can read neither {running} nor {store}", str(error))

    def test_unit(self) -> None:
        """
        The name of the configuration's file says which unit runs on it.
        """
        self.assertEqual(unitOf(CONFIG), "aerostack-rt.service")
        self.assertEqual(unitOf(Path("/etc/aerostack-rt/one.toml")), "aerostack-rt@one.service")

    def test_left(self) -> None:
        """
        Other sources, credentials inside the unit and mistakes are left to the loader.
        """
        inside = {"CREDENTIALS_DIRECTORY": "/run/credentials/x"}
        for source, environ in (
            ("sk_0123456789abcdef", {}),
            ({"file": "k"}, {}),
            ({"credential": "k"}, inside),
            ({"credential": "../k"}, {}),
            ({"credential": 1}, {}),
            ({"credential": "k", "file": "k"}, {}),
        ):
            self.assertEqual(locate(source, CONFIG, environ, lambda path: True), source)
