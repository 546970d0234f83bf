"""
Tests for L{aerostack.config.credentials}.
"""

from __future__ import annotations

from aerostack.config import credstore
from aerostack.config.loader import load
from aerostack.config.problems import ConfigError
from aerostack.config.secrets import Pending
from tests.config.keys import RSA, pem
from tests.config.loading import (
    HEAD,
    KEY,
    LoadCase,
    ProjectCase,
)


class CheckTests(LoadCase):
    """
    Tests for a check outside of the daemon's unit, whose credentials only the unit has.
    """

    TEXT = HEAD + (
        "[tracker]\ntables = ['orders']\n[tables.orders]\nread = ['token']\n"
        "[projects.p]\nsecret_key = { credential = 'secret_key' }\n"
        "[projects.p.jwt]\nalgorithm = 'HS256'\nkey = { credential = 'jwt_key' }\n"
    )

    def setUp(self) -> None:
        super().setUp()
        self.store = self.base / "credstore"
        self.store.mkdir()
        self.patch(credstore, "_RUNNING", self.base / "running")
        self.patch(credstore, "_STORES", (str(self.store),))
        self.path.write_text(self.TEXT)

    def keep(self, name: str, value: str) -> None:
        """
        Put a credential into the store.
        """
        file = self.store / f"aerostack-rt.{name}"
        file.touch(0o600)
        file.write_text(value)

    def test_unread(self) -> None:
        """
        What a check cannot read is a warning, and not taken for absent; a start refuses it.
        """
        self.keep("secret_key", KEY)
        config = load(self.path, {}, check=True)
        self.assertEqual(config.projects["p"].secretKey, KEY)
        (warning,) = config.warnings
        self.assertIn("projects.p.jwt.key: is the credential jwt_key of aerostack-rt", warning)
        self.assertIn("it is not checked", warning)
        error = self.assertRaises(ConfigError, load, self.path, {})
        self.assertEqual(len(error.problems), 2)

    def test_environment(self) -> None:
        """
        The unit may have an environment variable that a check does not have.
        """
        self.path.write_text(HEAD + "[projects.p]\nsecret_key = { env = 'RT_KEY' }\n")
        (warning,) = load(self.path, {}, check=True).warnings
        self.assertIn("projects.p.secret_key: names the environment variable RT_KEY", warning)
        self.assertEqual(load(self.path, {"RT_KEY": KEY}, check=True).warnings, ())
        self.assertRaises(ConfigError, load, self.path, {})

    def test_mistakes(self) -> None:
        """
        What a check can read is checked.
        """
        self.keep("secret_key", KEY)
        self.keep("jwt_key", "short")
        error = self.assertRaises(ConfigError, load, self.path, {}, check=True)
        self.assertEqual([each.key for each in error.problems], ["projects.p.jwt.key"])


class GenerateTests(LoadCase):
    """
    Tests for keys that are made at the first start.
    """

    TEXT = HEAD + (
        "[projects.p]\n"
        'public_key = { file = "keys/p.public", generate = true }\n'
        'secret_key = { file = "keys/p.secret", generate = true }\n'
    )

    def test_check(self) -> None:
        """
        A check makes no keys, and accepts keys that are still to be made.
        """
        config = self.load(self.TEXT)
        self.assertIsNone(config.projects["p"].publicKey)
        self.assertIsNone(config.projects["p"].secretKey)
        self.assertEqual([path.name for path in self.base.iterdir()], ["rt.toml"])

    def test_start(self) -> None:
        """
        The first start makes the keys, and the next one uses them.
        """
        first = self.load(self.TEXT, generate=True)
        project = first.projects["p"]
        assert project.publicKey is not None and project.secretKey is not None
        self.assertTrue(project.publicKey.startswith("pk_"))
        self.assertTrue(project.secretKey.startswith("sk_"))
        self.assertEqual((self.base / "keys/p.secret").read_text().strip(), project.secretKey)
        self.assertEqual(self.load(self.TEXT, generate=True), first)
        self.assertEqual(self.load(self.TEXT), first)

    def test_mistakes(self) -> None:
        """
        No key is made for a configuration with a mistake.
        """
        self.problems(self.TEXT + "typo = 1\n")
        self.assertFalse((self.base / "keys").exists())

    def test_sameFile(self) -> None:
        """Two keys cannot be made in one file."""
        self.assertProblem(
            self.TEXT.replace("p.public", "../keys/p.secret"),
            "projects.p.secret_key",
            "is the same as projects.p.public_key",
        )
        self.assertFalse((self.base / "keys").exists())

    def test_race(self) -> None:
        """A key that another process made meanwhile is used, not replaced."""
        generate = Pending.generate

        def other(pending: Pending) -> str:
            generate(pending)
            return generate(pending)

        self.patch(Pending, "generate", other)
        project = self.load(self.TEXT, generate=True).projects["p"]
        self.assertEqual((self.base / "keys/p.secret").read_text().strip(), project.secretKey)

    def test_impossible(self) -> None:
        """
        A key that cannot be made is reported with its setting and its file.
        """
        (self.base / "keys").write_text("a file")
        found = self.problems(self.TEXT.replace("keys/p.public", "p.public"))
        self.assertEqual(list(found), ["projects.p.secret_key"])
        self.assertIn(str(self.base / "keys"), found["projects.p.secret_key"])


class CredentialTests(ProjectCase):
    """
    Tests for mistakes in keys.
    """

    def test_weakKeys(self) -> None:
        """
        A key that is too short, or has characters that a header cannot have, is reported and not
        shown.
        """
        self.assertProjectProblem('public_key = "short"', "public_key", "has 5 characters")
        self.assertProjectProblem(f'secret_key = "{KEY} "', "secret_key", "at place 17")
        self.assertProjectProblem("secret_key = 1234567890123456", "secret_key", "{ file =")

    def test_sameKeys(self) -> None:
        """One key cannot be public and secret."""
        self.assertProjectProblem(
            f'public_key = "{KEY}"\nsecret_key = "{KEY}"',
            "secret_key",
            "same as projects.p.public_key",
        )

    def test_usedTwice(self) -> None:
        """
        One key cannot open two projects, and cannot also be a secret for tokens.
        """
        other = f'public_key = "{KEY}"\n[projects.q]\nsecret_key = {{ env = "K" }}\n'
        found = self.problems(f"{HEAD}[projects.p]\n{other}", K=KEY)
        self.assertEqual(list(found), ["projects.q.secret_key"])
        jwt = f'jwt = {{ algorithm = "HS256", key = "{KEY * 2}" }}\n'
        found = self.problems(f"{HEAD}[projects.p]\n{jwt}[projects.q]\n{jwt}")
        self.assertEqual(list(found), ["projects.q.jwt.key"])
        self.assertProjectProblem(f'secret_key = "{KEY * 2}"\n{jwt}', "jwt.key", "same as")

    def test_sources(self) -> None:
        """
        A credential that cannot be found is reported at its setting.
        """
        self.assertProjectProblem('secret_key = { env = "NO" }', "secret_key", "variable NO")
        self.assertProjectProblem('secret_key = { fil = "a" }', "secret_key", "mean 'file'")

    def test_secretFile(self) -> None:
        """
        The file of a shared secret must be private, and that of a public key need not be.
        """
        path = self.base / "jwt.key"
        path.write_text(KEY * 2)
        path.chmod(0o644)
        self.assertProjectProblem(
            'jwt = { algorithm = "HS256", key = { file = "jwt.key" } }', "jwt.key", "chmod"
        )
        path.write_text(pem(RSA))
        self.load(f'{HEAD}[projects.p.jwt]\nalgorithm = "RS256"\nkey = {{ file = "jwt.key" }}\n')
