"""
Tests for L{aerostack.config.parts}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.config.parts import Parts
from aerostack.config.problems import ConfigError

SECRET = "a shared secret of more than 32 bytes"


class PartsTests(SynchronousTestCase):
    """
    Tests for L{Parts}.
    """

    def parts(self, text: str, **environ: str) -> Parts:
        """
        Open a configuration.
        """
        path = Path(self.mktemp()).absolute()
        path.write_text(text)
        return Parts(path, environ)

    def test_onlyWhatIsAsked(self) -> None:
        """
        Credentials and mistakes of other parts are no matter.
        """
        parts = self.parts(
            f"""
            mistake = 1
            [server]
            listen = ["tcp:1"]
            mistake = 1
            [database]
            url = "sqlite:///rt.db"
            [engine]
            password = {{ credential = "there_is_none" }}
            [projects.p]
            public_key = "pk_0123456789abcdef"
            secret_key = {{ credential = "there_is_none" }}
            [projects.p.jwt]
            algorithm = "HS256"
            key = "{SECRET}"
            """
        )
        self.assertEqual([each.kind for each in parts.listen()], ["tcp"])
        self.assertEqual(parts.projectId(None), "p")
        self.assertEqual(parts.key("p", secret=False), "pk_0123456789abcdef")
        jwt = parts.tokens("p").jwt
        self.assertEqual(jwt and jwt.key, SECRET)
        self.assertEqual(parts.database().path, parts.path.parent / "rt.db")
        error = self.assertRaises(ConfigError, parts.key, "p", secret=True)
        self.assertRegex(str(error), "^projects.p.secret_key: is the credential there_is_none of")

    def test_checked(self) -> None:
        """
        What is asked for is checked as the daemon checks it.
        """
        parts = self.parts(
            """
            [server]
            listen = ["tcp"]
            [database]
            url = "mysql://h/d"
            [projects.p]
            secret_key = "short"
            [projects.p.jwt]
            algorithm = "HS256"
            key = "short"
            """
        )
        for ask, text in (
            (parts.listen, "^server.listen: tcp: port is missing$"),
            (parts.database, "^database.url: begins with neither"),
            (lambda: parts.key("p", True), "^projects.p.secret_key: has 5 characters"),
            (lambda: parts.tokens("p"), "^projects.p.jwt.key: has 5 bytes"),
            (lambda: parts.projectId("q"), "^projects: has no project q$"),
            (self.parts("projects = 1").listen, "^server.listen: is missing$"),
            (lambda: self.parts("projects = 1").projectId(None), "^projects: is 1"),
            (lambda: self.parts("").projectId(None), "^projects: has no project$"),
            (lambda: self.parts("["), "is no valid TOML"),
        ):
            self.assertRegex(str(self.assertRaises(ConfigError, ask)), text)

    def test_given(self) -> None:
        """
        The credential of the configuration is not read where another one is given.
        """
        parts = self.parts(
            """
            [database]
            url = "sqlite:///rt.db"
            password = { credential = "there_is_none" }
            [projects.p.jwt]
            algorithm = "HS256"
            key = { credential = "there_is_none" }
            [projects.q]
            anonymous = true
            """
        )
        jwt = parts.tokens("p", SECRET).jwt
        self.assertEqual(jwt and jwt.key, SECRET)
        self.assertRaises(ConfigError, parts.tokens, "p")
        error = self.assertRaises(ConfigError, parts.database, "given")
        self.assertEqual(str(error), "database.password: is set, but SQLite has none")
        self.assertIsNone(parts.tokens("q").jwt)
        self.assertIsNone(parts.key("q", secret=True))
