"""
Tests for L{aerostack.config.database}.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

from tests.config.loading import PROJECT, SERVER, LoadCase


class DatabaseTests(LoadCase):
    """
    Tests for databases that can be used.
    """

    def test_absoluteDatabase(self) -> None:
        """Four slashes begin an absolute path."""
        config = self.load(SERVER + '[database]\nurl = "sqlite:////srv/rt.db"\n' + PROJECT)
        self.assertEqual(config.database.path, Path("/srv/rt.db"))

    def test_postgres(self) -> None:
        """
        A PostgreSQL database's password is taken out of its URL, or read from where it
        is; the files that the URL names begin at the configuration's directory.
        """
        (self.base / "ca.pem").touch()
        (self.base / "rt.password").write_text("s3cret\n")
        (self.base / "rt.password").chmod(0o600)
        for url, password, shown in (
            ("postgresql://rt:s3cret@db.test:5/shop", "", "postgresql://rt@db.test:5/shop"),
            ("postgres://h/d?password=s3cret", "", "postgresql://h/d"),
            ("postgresql://h/d", 'password = "s3cret"', "postgresql://h/d"),
            ("postgresql://h/d", 'password = { env = "PW" }', "postgresql://h/d"),
            (
                "postgresql://h/d?sslrootcert=ca.pem&sslmode=verify-full",
                'password = { file = "rt.password" }',
                f"postgresql://h/d?sslmode=verify-full&sslrootcert={self.base}/ca.pem",
            ),
        ):
            text = f'{SERVER}[database]\nurl = "{url}"\n{password}\n{PROJECT}'
            config = self.load(text, PW="s3cret")
            self.assertEqual((config.database.url, config.database.password), (shown, "s3cret"))
            self.assertNotIn("s3cret", repr(config))
        config = self.load(f'{SERVER}[database]\nurl = "postgresql:///d"\n{PROJECT}')
        self.assertIsNone(config.database.password)


class DatabaseProblemTests(LoadCase):
    """
    Tests for mistakes in the database's URL and password.
    """

    def test_database(self) -> None:
        """
        A database that cannot be used is reported without its password.
        """
        for url, word in (
            ("postgresql://u:pw@h", "names no database"),
            ("postgres://u:p/w@h/d", "%2F"),
            (
                "postgresql://u:pw@h/d?sslrootcert=no.pem",
                f"No such file or directory): {self.base}",
            ),
            ("postgresql+psycopg://u:pw@h/d", "begins with neither"),
            ("mysql://u:pw@h/d", "begins with neither"),
            ("u:pw\\n@h/d", "a string"),
            ("rt.db", "begins with neither"),
            ("sqlite://rt.db", "begins with neither"),
            ("sqlite:///", "names no file"),
            ("sqlite:///:memory:", "names no file"),
            ("sqlite:///rt.db?mode=ro", "options"),
            ("sqlite:///.", "directory"),
        ):
            text = f'{SERVER}[database]\nurl = "{url}"\n{PROJECT}'
            self.assertProblem(text, "database.url", word, "sqlite:////absolute")
            self.assertNotIn("pw", str(self.problems(text)))

    def test_databasePassword(self) -> None:
        """
        A password that cannot be read, or that SQLite has no use for, is reported.
        """
        for url, password, word in (
            ("sqlite:///rt.db", '"pw"', "SQLite has none"),
            ("postgresql://u:pw@h/d", '"pw"', "one of the two"),
            ("postgresql://u@h/d", '{ env = "PW_UNSET" }', "PW_UNSET"),
            ("postgresql://u@h/d", '{ file = "rt.password" }', "chmod"),
            ("postgresql://u@h/d", "5", "neither a string nor a table"),
        ):
            (self.base / "rt.password").write_text("pw")
            (self.base / "rt.password").chmod(0o644)
            text = f'{SERVER}[database]\nurl = "{url}"\npassword = {password}\n{PROJECT}'
            self.assertProblem(text, "database.password", word)
            self.assertNotIn("pw", str(self.problems(text)))

    def test_foreignKeys(self) -> None:
        """
        SQLite's foreign keys hold unless they are switched off.  PostgreSQL's cannot be switched
        off.
        """
        for line, expected in (("", True), ("foreign_keys = false", False)):
            text = f'{SERVER}[database]\nurl = "sqlite:///rt.db"\n{line}\n{PROJECT}'
            self.assertEqual(self.load(text).database.foreignKeys, expected)
        text = f'{SERVER}[database]\nurl = "postgresql://h/d"\nforeign_keys = false\n{PROJECT}'
        self.assertProblem(text, "database.foreign_keys", "PostgreSQL always goes by them")

    def test_noDriver(self) -> None:
        """
        If PostgreSQL's driver is not installed, the message has the command that installs it.
        """
        absent = patch.dict(sys.modules, {"aerostack.databases.postgres.connection": None})
        absent.start()
        self.addCleanup(absent.stop)
        text = f'{SERVER}[database]\nurl = "postgresql://h/d"\n{PROJECT}'
        self.assertProblem(text, "database.url", "pip install 'aerostack-rt[postgres]'")
