"""
Tests for L{aerostack.config.listening}.
"""

from __future__ import annotations

from aerostack.config import listening
from aerostack.config.loader import load
from aerostack.config.problems import ConfigError
from tests.config.loading import DATABASE, KEY, PROJECT, LoadCase

KEYED = f'[projects.p]\nsecret_key = "{KEY}"\n'


class ListenTests(LoadCase):
    """
    Tests for mistakes in C{server.listen}.
    """

    def test_listenFiles(self) -> None:
        """
        A key or certificate that cannot be read is reported by its name and path.
        """
        (self.base / "key.pem").touch()
        for options in (
            "privateKey=no.pem",
            "privateKey=key.pem:certKey=no.pem",
            "privateKey=key.pem:extraCertChain=no.pem",
        ):
            listen = f"ssl:443:{options}"
            self.assertProblem(
                f'[server]\nlisten = ["{listen}"]\n{DATABASE}{PROJECT}',
                "server.listen",
                f"{options.split(':')[-1].split('=')[0]} cannot be read",
            )

    def test_socketPath(self) -> None:
        """
        The path of a Unix socket may not be longer than the system allows.
        """
        self.assertProblem(
            f'[server]\nlisten = ["unix:/{"s" * 107}"]\n{DATABASE}{PROJECT}',
            "server.listen",
            "at most 107 bytes",
        )

    def test_listen(self) -> None:
        """
        Each malformed address is reported.
        """
        self.path.write_text(
            f'[server]\nlisten = ["tcp:80", "tcp:x", "udp:1"]\n{DATABASE}{PROJECT}'
        )
        error = self.assertRaises(ConfigError, load, self.path, {})
        self.assertEqual([problem.key for problem in error.problems], ["server.listen"] * 2)
        self.assertIn("tcp:x: port is 'x'", error.problems[0].message)
        self.assertProblem(
            f"[server]\nlisten = []\n{DATABASE}{PROJECT}", "server.listen", "too short"
        )

    def test_readableKey(self) -> None:
        """
        A private key that every user of the machine can read is warned of, unless a directory
        keeps the others out.
        """
        key = self.base / "key.pem"
        key.touch()
        # Other directories above are the machine's.
        self.patch(listening, "_folders", lambda path: [self.base])
        text = f'[server]\nlisten = ["ssl:443:privateKey=key.pem"]\n{DATABASE}{KEYED}'
        for folder, mode, warned in (
            (0o755, 0o644, True),
            (0o755, 0o602, True),
            (0o755, 0o640, False),
            (0o750, 0o644, False),
        ):
            self.base.chmod(folder)
            key.chmod(mode)
            warnings = self.load(text).warnings
            self.assertEqual(len(warnings), int(warned), warnings)
            for warning in warnings:
                self.assertIn(f"chmod o-rw {key}", warning)
