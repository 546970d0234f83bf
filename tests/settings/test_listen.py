"""
Tests for L{aerostack.settings.listen}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.settings.listen import BACKLOG, parseDescription


class ParseTests(SynchronousTestCase):
    """
    Endpoint strings, taken apart.
    """

    def refused(self, text: str) -> str:
        """
        @return: Why a string is refused.
        """
        message = str(self.assertRaises(ValueError, parseDescription, text))
        self.assertTrue(message.startswith(f"{text}: "), message)
        return message

    def test_defaults(self) -> None:
        """
        Options that are not given have defaults.
        """
        for text, expected in (
            ("tcp:80", {"port": "80", "interface": "", "backlog": BACKLOG}),
            ("tcp6:port=80", {"port": "80", "interface": "::", "backlog": BACKLOG}),
            (
                "unix:/run/rt.sock",
                {"address": "/run/rt.sock", "mode": "660", "backlog": BACKLOG, "lockfile": "1"},
            ),
            (
                "ssl:443:privateKey=a.pem",
                {"port": "443", "privateKey": "a.pem", "interface": "", "backlog": BACKLOG},
            ),
            ("systemd:domain=INET:name=https", {"domain": "INET", "name": "https"}),
        ):
            parsed = parseDescription(text)
            self.assertEqual((parsed.text, parsed.options), (text, expected))

    def test_local(self) -> None:
        """Only a loopback interface, a Unix socket or systemd's may be for this machine only."""
        for text in (
            "tcp:80:interface=127.0.0.1",
            r"tcp6:80:interface=\:\:1",
            "ssl:443:privateKey=a.pem:interface=127.0.0.1",
            "unix:/run/rt.sock",
            "systemd:domain=UNIX:index=0",
        ):
            self.assertFalse(parseDescription(text).local)
            self.assertFalse(parseDescription(f"{text}:local=0").local)
            self.assertTrue(parseDescription(f"{text}:local=1").local)
        for text in ("tcp:80", "tcp6:80", "ssl:443:privateKey=a.pem", "tcp:80:interface=10.0.0.5"):
            self.assertIn("interface=127.0.0.1", self.refused(f"{text}:local=1"))
        self.refused("tcp:80:interface=127.0.0.1:local=yes")

    def test_proxied(self) -> None:
        """
        With C{haproxy:} before an address, a proxy names each client.
        """
        for text in ("tcp:80", "ssl:443:privateKey=a.pem", "unix:rt.sock", "tcp6:80:backlog=5"):
            plain, proxied = parseDescription(text), parseDescription(f"haproxy:{text}")
            self.assertEqual((proxied.kind, proxied.options), (plain.kind, plain.options))
            self.assertEqual((plain.proxied, proxied.proxied), (False, True))
            self.assertEqual(proxied.text, f"haproxy:{text}")
        for text in (
            "haproxy",
            "haproxy:",
            "haproxy:80",
            "haproxy:haproxy:tcp:80",
            "x=haproxy:tcp:1",
        ):
            self.assertIn("must begin", self.refused(text))
        self.assertIn("local=1", self.refused("haproxy:tcp:80:interface=127.0.0.1:local=1"))

    def test_escapes(self) -> None:
        """
        A backslash escapes a colon, an equals sign and a backslash.
        """
        text = r"tcp:80:interface=\:\:1"
        self.assertEqual(parseDescription(text).options["interface"], "::1")
        text = r"unix:a\=b\:c\\d"
        self.assertEqual(parseDescription(text).options["address"], "a=b:c\\d")

    def test_laterEquals(self) -> None:
        """Only the first equals sign of a part means something."""
        text = "ssl:443:privateKey=a=b.pem"
        self.assertEqual(parseDescription(text).options["privateKey"], "a=b.pem")

    @given(st.text(min_size=1))
    def test_anyValue(self, value: str) -> None:
        """Every value survives when its special characters are escaped."""
        escaped = value
        for special in "\\:=":
            escaped = escaped.replace(special, "\\" + special)
        for text in (f"unix:{escaped}", f"unix:address={escaped}:mode=600"):
            self.assertEqual(parseDescription(text).options["address"], value)

    def test_prefix(self) -> None:
        """
        An unknown kind is refused, and the message names the known ones.
        """
        for text in ("http:80", "", "80", "=tcp:80", "TCP:80"):
            self.assertIn("tcp:, tcp6:, ssl:, unix:, systemd:", self.refused(text))

    def test_unknownOption(self) -> None:
        """
        An unknown option is refused, and the message names the known ones.
        """
        message = self.refused("ssl:443:privatekey=a.pem")
        self.assertIn("'privatekey'", message)
        self.assertIn("port, privateKey, certKey, extraCertChain, interface, backlog", message)
        self.assertIn("'privateKey'", self.refused("tcp:80:privateKey=a.pem"))

    def test_shape(self) -> None:
        """Parts that are missing, doubled or out of place are named."""
        for text, words in (
            ("tcp:", "port is missing"),
            ("tcp:interface=::1", "'' must be written name=value"),
            ("tcp:80:90", "'90' must be written name=value"),
            ("tcp:80:port=90", "port is given twice"),
            ("tcp:80\\", "a backslash stands at the end"),
            ("ssl:443", "privateKey is missing"),
            ("ssl:443:privateKey=a:certKey=", "certKey is empty"),
            ("unix:mode=600", "address is missing"),
            ("systemd:index=0", "domain is missing"),
            ("systemd:domain=INET", "either index or name"),
            ("systemd:domain=INET:index=0:name=a", "either index or name"),
            ("systemd:domain=INET:index=0:certKey=a", "privateKey is missing"),
        ):
            self.assertIn(words, self.refused(text))

    def test_values(self) -> None:
        """A value out of its range is named with the range."""
        for text, words in (
            ("tcp:http", "port is 'http', but must be a number from 0 to 65535"),
            ("tcp:65536", "port is '65536'"),
            ("tcp:-1", "port is '-1'"),
            ("tcp:80:backlog=0", "backlog is '0', but must be a number from 1 to 65535"),
            ("unix:a:mode=999", "mode is '999', but must be a number from 0o0 to 0o777"),
            ("unix:a:lockfile=yes", "lockfile is 'yes', but must be a number from 0 to 1"),
            ("systemd:domain=IPX:index=0", "'IPX', but must be one of INET, INET6, UNIX"),
        ):
            self.assertIn(words, self.refused(text))
