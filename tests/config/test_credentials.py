"""
Tests for L{aerostack.config.credentials}.
"""

from __future__ import annotations

from aerostack.config.secrets import Pending
from tests.config.keys import RSA, pem
from tests.config.loading import (
    HEAD,
    KEY,
    LoadCase,
    ProjectCase,
)


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
