"""
Tests for L{aerostack.client.address}.
"""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.address import Address, addressOf, urlsOf
from aerostack.config.loader import load
from aerostack.settings.settings import Config


class AddressTests(SynchronousTestCase):
    """
    Tests for L{Address}.
    """

    def test_forms(self) -> None:
        """
        A URL may begin with http, and have the path of a proxy.
        """
        for given, url, path, host, port, secure in (
            ("ws://h:1", "ws://h:1", "/api/realtime", "h", 1, False),
            ("WSS://h/", "wss://h", "/api/realtime", "h", 443, True),
            ("http://h", "ws://h", "/api/realtime", "h", 80, False),
            ("https://h:2/rt/", "wss://h:2/rt", "/rt/api/realtime", "h", 2, True),
            ("ws://[::1]:3", "ws://[::1]:3", "/api/realtime", "::1", 3, False),
        ):
            address = Address(given)
            found = address.url, address.path, address.host, address.port, address.secure
            self.assertEqual(found, (url, path, host, port, secure))
            self.assertIsNone(address.unixPath)

    def test_web(self) -> None:
        """
        The HTTP address begins with http or https.
        """
        for given, web in (
            ("ws://h:1", "http://h:1"),
            ("wss://h/rt/", "https://h/rt"),
            ("ws+unix:///run/rt.sock", "http://localhost"),
        ):
            self.assertEqual(Address(given).web, web)

    def test_unix(self) -> None:
        """
        The URL of a Unix socket has a path and no host.
        """
        for scheme in ("ws+unix", "http+unix"):
            address = Address(f"{scheme}:///run/rt:1.sock", "p")
            self.assertEqual(
                (address.url, address.unixPath, address.path, address.authority),
                (
                    "ws+unix:///run/rt:1.sock",
                    "/run/rt:1.sock",
                    "/api/realtime?projectId=p",
                    "localhost",
                ),
            )

    def test_named(self) -> None:
        """
        The URL of the opening has the project and the user, its subprotocols have the credentials.
        """
        address = Address("ws://h", "p", "a&b", "pk_1", "a.b.c")
        self.assertEqual(address.path, "/api/realtime?projectId=p&userId=a%26b")
        self.assertEqual(
            address.protocols, ["aerostack-key.pk_1", "aerostack-token.a.b.c", "aerostack-v1"]
        )
        self.assertEqual(Address("ws://h").protocols, [])

    def test_wrong(self) -> None:
        """
        A wrong address is refused, with an example of a right one.
        """
        for url in (
            *("", "h:1", "ws://", "ftp://h", "ws://h:99999", "ws://h:x", "ws://h:0"),
            *("ws://h?apiKey=1", "ws://h#a", "ws+unix://rt.sock"),
        ):
            error = self.assertRaises(ValueError, Address, url)
            self.assertIn(f"{url!r} is no address of a daemon; write it as ws://", str(error))

    def test_credentialsInURL(self) -> None:
        """
        A password in the URL is refused, and not shown.
        """
        error = self.assertRaises(ValueError, Address, "ws://ann:secret@h")
        self.assertNotIn("secret", str(error))

    def test_credentials(self) -> None:
        """
        A credential that cannot travel in a header is refused, and not shown.
        """
        for name, value in (("key", "pk_1\n"), ("key", ""), ("token", "a.b c"), ("token", "é")):
            error = self.assertRaises(ValueError, Address, "ws://h", **{name: value})
            self.assertIn(f"the {name} is empty or has characters", str(error))
            self.assertNotIn(repr(value), str(error))

    def test_secrets(self) -> None:
        """
        An address shows no credential.
        """
        shown = repr(Address("ws://h", key="pk_shown", token="tok_shown"))
        self.assertNotIn("_shown", shown)


class ConfigTests(SynchronousTestCase):
    """
    Tests for finding the daemon of a configuration.
    """

    def config(self, *listen: str) -> Config:
        """
        Read a configuration.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "key.pem").touch()
        path = directory / "rt.toml"
        path.write_text(
            f"""
            server.listen = {json.dumps(listen)}
            database.url = "sqlite:///rt.db"
            projects.p.public_key = "pk_0123456789abcdef"
            projects.p.secret_key = "sk_0123456789abcdef"
            projects.q.anonymous = true
            """
        )
        return load(path, {})

    def test_urls(self) -> None:
        """
        Every listener that this machine can reach has a URL.
        """
        for listen, url in (
            ("tcp:8787", "ws://127.0.0.1:8787"),
            ("tcp:8787:interface=0.0.0.0", "ws://127.0.0.1:8787"),
            ("tcp:8787:interface=10.0.0.5:backlog=5", "ws://10.0.0.5:8787"),
            ("tcp6:8787", "ws://[::1]:8787"),
            ("tcp6:8787:interface=fe80\\:\\:1", "ws://[fe80::1]:8787"),
            ("ssl:8443:privateKey=key.pem", "wss://127.0.0.1:8443"),
            ("unix:/run/rt\\:1.sock:mode=660", "ws+unix:///run/rt:1.sock"),
        ):
            self.assertEqual(urlsOf(self.config(listen)), [url])
            self.assertEqual(Address(url).url, url)
        self.assertEqual(urlsOf(self.config("systemd:domain=INET:index=0")), [])
        proxied = self.config("haproxy:tcp:8787")
        self.assertEqual(urlsOf(proxied), [])
        self.assertEqual(urlsOf(proxied, proxied=True), ["ws://127.0.0.1:8787"])

    def test_address(self) -> None:
        """
        The first listener counts, with those for this machine before others; and the first project,
        or the named one.
        """
        config = self.config("systemd:domain=INET:index=0", "tcp:1", "tcp:2")
        address = addressOf(config, None)
        self.assertEqual(
            (address.url, address.projectId, address.key),
            ("ws://127.0.0.1:1", "p", "pk_0123456789abcdef"),
        )
        self.assertEqual(address.protocols, ["aerostack-key.pk_0123456789abcdef", "aerostack-v1"])
        local = self.config("tcp:1", "tcp:2:interface=127.0.0.1:local=1")
        self.assertEqual(addressOf(local, None).url, "ws://127.0.0.1:2")
        other = addressOf(config, "q")
        self.assertEqual((other.projectId, other.key, other.protocols), ("q", None, []))
        self.assertIn("no project r", str(self.assertRaises(ValueError, addressOf, config, "r")))

    def test_secret(self) -> None:
        """
        A server gets the secret key, if the project has one.
        """
        config = self.config("tcp:1")
        self.assertEqual(addressOf(config, "p", secret=True).key, "sk_0123456789abcdef")
        error = self.assertRaises(ValueError, addressOf, config, "q", secret=True)
        self.assertIn("projects.q has no secret_key", str(error))

    def test_nowhere(self) -> None:
        """
        Without a listener to reach the error says what to give.
        """
        config = self.config("systemd:domain=INET:index=0")
        self.assertIn("give --url", str(self.assertRaises(ValueError, addressOf, config, None)))
