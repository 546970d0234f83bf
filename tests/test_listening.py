"""
Tests for L{aerostack.listening}.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.endpoints import TCP4ServerEndpoint, UNIXServerEndpoint, serverFromString
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from aerostack.listening import resolveEndpoint

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1)


class ResolveEndpointTests(SynchronousTestCase):
    """
    Tests for L{resolveEndpoint}.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()
        (self.base / "key.pem").touch()

    def refused(self, description: str) -> str:
        """
        @return: The message with which a description is refused.
        """
        return str(self.assertRaises(ValueError, resolveEndpoint, description, self.base))

    def test_unchanged(self) -> None:
        """What names no file stays as it is written."""
        for description in (
            "tcp:8787",
            "tcp:0:interface=127.0.0.1:backlog=200",
            "tcp6:8787:interface=\\:\\:1",
            "systemd:domain=INET6:index=0",
            "systemd:domain=UNIX:name=rt",
            "unix:/run/rt.sock:mode=660:lockfile=0",
        ):
            self.assertEqual(resolveEndpoint(description, self.base), description)

    def test_named(self) -> None:
        """An option that may stand without its name may be named as well."""
        self.assertEqual(resolveEndpoint("tcp:port=80", self.base), "tcp:80")
        named = resolveEndpoint("unix:address=a=b", Path("/run"))
        self.assertEqual(named, "unix:/run/a\\=b")

    def test_paths(self) -> None:
        """Relative paths begin at the configuration's directory."""
        key = self.base / "key.pem"
        self.assertEqual(
            resolveEndpoint("ssl:443:privateKey=key.pem", self.base),
            f"ssl:443:privateKey={key}",
        )
        self.assertEqual(
            resolveEndpoint("systemd:domain=INET:index=1:privateKey=key.pem", self.base),
            f"systemd:domain=INET:index=1:privateKey={key}",
        )
        self.assertEqual(resolveEndpoint("unix:rt.sock", Path("/run")), "unix:/run/rt.sock")

    def test_twistedReads(self) -> None:
        """Twisted understands what comes out."""
        reactor = MemoryReactor()
        for description, expected in (
            ("tcp:8787:interface=127.0.0.1", TCP4ServerEndpoint),
            ("unix:rt.sock:mode=660", UNIXServerEndpoint),
        ):
            resolved = resolveEndpoint(description, self.base)
            self.assertIsInstance(serverFromString(reactor, resolved), expected)

    @example("a=b")
    @example("a:b\\=c\\:")
    @given(NAMES.filter(lambda name: name not in (".", "..") and len(name.encode()) < 60))
    def test_anyName(self, name: str) -> None:
        """A socket of any name is found under it again."""
        escaped = name.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
        resolved = resolveEndpoint(f"unix:{escaped}", Path("/run"))
        endpoint = serverFromString(MemoryReactor(), resolved)
        self.assertEqual(endpoint._address, f"/run/{name}")

    def test_prefix(self) -> None:
        """An unknown prefix is told, with the known ones."""
        for description in ("8787", "tls:443", "", "tcp=8787", "onion:80"):
            message = self.refused(description)
            self.assertIn("allowed are tcp: tcp6: ssl: unix: systemd:", message)

    def test_options(self) -> None:
        """An option that is unknown, missing, twice or too much is told by its name."""
        for description, why in (
            ("tcp:80:interfce=::", "did you mean 'interface'?"),
            ("tcp:80:privateKey=key.pem", "unknown option 'privateKey'"),
            ("tcp6:80:interface=::1", "write \\: for a colon"),
            ("tcp:80:127.0.0.1", "does not take '127.0.0.1' there"),
            ("tcp:80:backlog=1:backlog=2", "backlog twice"),
            ("tcp:80:port=80", "port twice"),
            ("tcp", "lacks its port"),
            ("ssl:443", "lacks its privateKey"),
            ("unix", "lacks its address"),
            ("systemd:index=0", "lacks its domain"),
            ("systemd:domain=INET", "either index or name"),
            ("systemd:domain=INET:index=0:name=a", "either index or name"),
            ("systemd:domain=INET:index=0:certKey=key.pem", "lacks its privateKey"),
            ("tcp:80\\", "backslash"),
        ):
            self.assertIn(why, self.refused(description))

    def test_values(self) -> None:
        """A value that an option cannot have is told, with what it can."""
        for description, why in (
            ("tcp:65536", "port=65536; allowed is a whole number from 0 to 65535"),
            ("tcp:http", "port=http"),
            ("tcp:-1", "port=-1"),
            ("tcp:²", "port=²"),
            ("tcp:", "port="),
            (f"tcp:{'9' * 5000}", "allowed is a whole number"),
            ("tcp:80:backlog=0", "from 1 to"),
            ("tcp:80:interface=", "interface="),
            ("unix:", "address="),
            ("unix:a:mode=888", "octal"),
            ("unix:a:mode=7", "octal"),
            ("unix:a:lockfile=yes", "one of 0, 1"),
            ("systemd:domain=IPV4:index=0", "one of INET, INET6, UNIX"),
        ):
            self.assertIn(why, self.refused(description))

    def test_files(self) -> None:
        """A key or certificate that cannot be read is told, with its path."""
        for options in (
            "privateKey=no.pem",
            "privateKey=key.pem:certKey=no.pem",
            "privateKey=key.pem:extraCertChain=no.pem",
        ):
            name = options.split(":")[-1].split("=")[0]
            message = self.refused(f"ssl:443:{options}")
            self.assertIn(f"a {name} that cannot be read", message)
            self.assertIn(str(self.base / "no.pem"), message)

    def test_socketPath(self) -> None:
        """A socket's path may not be longer than the system takes."""
        room = 107 - len("/run/")
        resolveEndpoint(f"unix:{'s' * room}", Path("/run"))
        message = str(
            self.assertRaises(ValueError, resolveEndpoint, f"unix:{'s' * room}s", Path("/run"))
        )
        self.assertIn("more than 107 bytes", message)
