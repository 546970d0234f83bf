"""
Tests for L{aerostack.cli.token}.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import main
from tests.auth.tokens import EC, ED, OTHER_RSA, RSA, SECRET, pem

KEYS = {"ES256": EC, "EdDSA": ED, "RS256": RSA}


class TokenTests(SynchronousTestCase):
    """
    Tests for the command.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def configure(self, algorithm: str | None, key: str = SECRET, more: str = "") -> None:
        """
        Write a configuration whose project C{p} takes tokens.
        """
        (self.directory / "key").write_text(key)
        (self.directory / "key").chmod(0o600)
        jwt = f"""
            [projects.p.jwt]
            algorithm = "{algorithm}"
            key = {{ file = "key" }}
            {more}
        """
        (self.directory / "rt.toml").write_text(
            f"""
            server.listen = ["tcp:1"]
            database.url = "sqlite:///rt.db"
            [projects.p]
            anonymous = true
            {jwt if algorithm else ""}
            """
        )

    def privateKey(self, key: Any) -> str:
        """
        Write a private key down.
        """
        path = self.directory / "private.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(path)

    def execute(self, *arguments: str) -> tuple[int, str, str]:
        """
        Run the command.

        @return: The exit status, and what it wrote.
        """
        output, errors = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", output)
        self.patch(sys, "stderr", errors)
        status = main(["token", *arguments, "--config", str(self.directory / "rt.toml")])
        return status, output.getvalue(), errors.getvalue()

    def claims(self, *arguments: str) -> dict[str, Any]:
        """
        What a token says that is made.
        """
        status, token, errors = self.execute(*arguments)
        self.assertEqual((status, errors, token.count("\n")), (0, "", 1))
        claims: dict[str, Any] = jwt.decode(
            token.strip(), SECRET, ["HS256"], options={"verify_aud": False}
        )
        return claims

    def refusal(self, *arguments: str) -> str:
        """
        What is said where no token is made.
        """
        status, output, errors = self.execute(*arguments)
        self.assertEqual((status, output, errors.count("\n")), (1, "", 1))
        self.assertNotIn(SECRET, errors)
        return errors

    def test_plain(self) -> None:
        """
        A token names the user and the project, and ends in an hour.
        """
        self.configure("HS256")
        claims = self.claims("ann")
        self.assertEqual((claims["sub"], claims["projectId"]), ("ann", "p"))
        self.assertEqual(claims["exp"] - claims["iat"], 3600)
        self.assertLess(abs(claims["iat"] - time.time()), 60)
        self.assertNotIn("topics", claims)

    def test_narrowed(self) -> None:
        """
        Options narrow what the token allows, and add claims.
        """
        self.configure("HS256", more='audience = "rt"\nissuer = "me"')
        claims = self.claims(
            *("ann", "--expires", "5m", "--subscribe", "chat/*", "--subscribe", "table/orders"),
            *("--publish", "chat/*", "--claim", 'team={"id": 7}', "--claim", "admin=true"),
        )
        self.assertEqual(
            claims["topics"],
            {"subscribe": ["chat/*", "table/orders"], "publish": ["chat/*"]},
        )
        self.assertEqual((claims["team"], claims["admin"]), ({"id": 7}, True))
        self.assertEqual((claims["aud"], claims["iss"]), ("rt", "me"))
        self.assertEqual(claims["exp"] - claims["iat"], 300)

    def test_algorithms(self) -> None:
        """
        If the daemon has only the public half of a key, the command needs the private one.
        """
        for algorithm, key in KEYS.items():
            self.configure(algorithm, pem(key))
            self.assertIn("--private-key", self.refusal("ann"))
            status, token, _ = self.execute("ann", "--private-key", self.privateKey(key))
            self.assertEqual(status, 0)
            claims = jwt.decode(token.strip(), key.public_key(), [algorithm])
            self.assertEqual(claims["sub"], "ann")

    def test_wrongKey(self) -> None:
        """
        A key that the daemon would refuse is refused by the command.
        """
        self.configure("EdDSA", pem(ED))
        self.assertIn(
            "cannot be signed with EdDSA", self.refusal("ann", "--private-key", self.privateKey(EC))
        )
        self.configure("RS256", pem(RSA))

        self.assertIn(
            "the daemon would refuse this token",
            self.refusal("ann", "--private-key", self.privateKey(OTHER_RSA)),
        )
        self.assertIn(
            "/nowhere.pem cannot be read: No such file or directory\n",
            self.refusal("ann", "--private-key", "/nowhere.pem"),
        )
        (self.directory / "private.pem").write_bytes(b"\xff")
        self.assertIn(
            "private.pem is no UTF-8 text",
            self.refusal("ann", "--private-key", str(self.directory / "private.pem")),
        )

    def test_wrongClaims(self) -> None:
        """
        Claims that are malformed, or that the daemon would refuse, are refused.
        """
        self.configure("HS256")
        for arguments, text in (
            ([""], "sub has 1 to 255 characters"),
            (["ann", "--claim", "team"], "--claim team is not NAME=JSON"),
            (["ann", "--claim", "team=blue"], "--claim team is no JSON"),
            (["ann", "--claim", "topics=1"], "topics must be an object"),
            (["ann", "--project", "q"], "has no project q"),
            (["ann", "--claim", 'projectId="q"'], "would refuse this token"),
        ):
            self.assertIn(text, self.refusal(*arguments))

    def test_noTokens(self) -> None:
        """
        If the project takes no tokens, the command says what is missing.
        """
        self.configure(None)
        self.assertIn("add a table [projects.p.jwt]", self.refusal("ann"))
