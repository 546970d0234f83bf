"""
Tests for L{aerostack.config.engine}.
"""

from __future__ import annotations

from unittest.mock import patch

from aerostack.config.secrets import credentialsOf
from aerostack.server.engines import addressOf
from tests.config.loading import PROJECT, SERVER, LoadCase

POSTGRES = '[database]\nurl = "postgresql://h/d"\n'


class EngineTests(LoadCase):
    """
    Tests for the section of the engine.
    """

    def test_alone(self) -> None:
        """Without a URL there is no engine."""
        config = self.load(f"{SERVER}{POSTGRES}{PROJECT}")
        self.assertEqual((config.engine.url, config.engine.prefix), (None, "ar1"))

    def test_password(self) -> None:
        """The password is taken out of the URL, or read from where it is, and is not shown."""
        for url, password in (
            ("valkey://u:s3cret@h/3", ""),
            ("redis://u@h/3", 'password = { env = "PW" }'),
        ):
            text = f'{SERVER}{POSTGRES}[engine]\nurl = "{url}"\n{password}\n{PROJECT}'
            config = self.load(text, PW="s3cret")
            self.assertEqual(config.engine.url, "valkey://u@h:6379/3")
            self.assertEqual(config.engine.password, "s3cret")
            self.assertNotIn("s3cret", repr(config))

    def test_sentinelPassword(self) -> None:
        """The Sentinels have a password of their own, which is not shown."""
        url = 'url = "valkey+sentinel://:s3cret@one,two/0"\n'
        password = 'sentinel_password = { env = "PW" }'
        text = f"{SERVER}{POSTGRES}[engine]\n{url}{password}\n{PROJECT}"
        config = self.load(text, PW="0ther")
        self.assertEqual(config.engine.password, "s3cret")
        self.assertEqual(config.engine.sentinelPassword, "0ther")
        self.assertNotIn("0ther", repr(config))
        self.assertEqual(credentialsOf(config) & {"s3cret", "0ther"}, {"s3cret", "0ther"})
        address = addressOf(config.engine)
        assert address is not None
        self.assertEqual((address.password, address.sentinelPassword), ("s3cret", "0ther"))
        self.assertNotIn("0ther", repr(address))

    def test_authorities(self) -> None:
        """The file of the authorities begins at the configuration's directory."""
        (self.base / "ca.pem").touch()
        text = f'{SERVER}{POSTGRES}[engine]\nurl = "valkeys://h/0?cafile=ca.pem"\n{PROJECT}'
        self.assertIn(f"cafile={self.base}/ca.pem", str(self.load(text).engine.url))


class EngineProblemTests(LoadCase):
    """
    Tests for mistakes in the section of the engine.
    """

    def test_mistakes(self) -> None:
        """Each mistake is reported with its key, without the password."""
        for lines, key, word in (
            ('url = "http://:s3cret@h"', "engine.url", "valkey://"),
            ('url = "valkeys://:s3cret@h?cafile=no.pem"', "engine.url", "cannot be read"),
            ('url = "valkey://:s3cret@h"\npassword = "other"', "engine.password", "one of"),
            ('password = "s3cret"', "engine.password", "engine.url is not"),
            ('sentinel_password = "s3cret"', "engine.sentinel_password", "engine.url is not"),
            (
                'url = "valkey://h"\nsentinel_password = "s3cret"',
                "engine.sentinel_password",
                "no Sentinels",
            ),
            ('prefix = "a b"', "engine.prefix", "letters"),
            ("patience = 0", "engine.patience", "0.1"),
        ):
            self.assertProblem(f"{SERVER}{POSTGRES}[engine]\n{lines}\n{PROJECT}", key, word)

    def test_sqlite(self) -> None:
        """An engine with SQLite is refused: each machine would have a database of its own."""
        text = f'{SERVER}[database]\nurl = "sqlite:///rt.db"\n[engine]\nurl = "valkey://h"\n'
        self.assertProblem(text + PROJECT, "engine.url", "PostgreSQL")

    def test_workers(self) -> None:
        """An engine and several workers can be used together."""
        text = f'{SERVER}workers = 2\n{POSTGRES}[engine]\nurl = "valkey://h"\n{PROJECT}'
        self.assertEqual(self.load(text).server.workers, 2)

    def test_driver(self) -> None:
        """If the driver is missing, the message says how to install it."""
        text = f'{SERVER}{POSTGRES}[engine]\nurl = "valkey://h"\n{PROJECT}'
        with patch("aerostack.config.engine.find_spec", return_value=None):
            self.assertProblem(text, "engine.url", "aerostack-rt[valkey]")
