"""
Tests for L{aerostack.client.address}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.address import Address, urlsOf
from aerostack.config.loader import load
from aerostack.settings.settings import Config


class AddressTests(SynchronousTestCase):
    """
    Tests for L{Address}.
    """

    def test_forms(self) -> None:
        """
        A URL may begin with http, which it keeps, and have the path of a proxy.
        """
        for given, url, path, host, port, secure in (
            ("ws://h:1", "ws://h:1", "/api/realtime", "h", 1, False),
            ("WSS://h/", "wss://h", "/api/realtime", "h", 443, True),
            ("http://h", "http://h", "/api/realtime", "h", 80, False),
            ("https://h:2/rt/", "https://h:2/rt", "/rt/api/realtime", "h", 2, True),
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
            ("http://h:1", "http://h:1"),
            ("HTTPS://h/rt", "https://h/rt"),
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
                    f"{scheme}:///run/rt:1.sock",
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
            self.assertIn(f"{url!r} is no address of a daemon; write it as http://", str(error))

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

    def test_types(self) -> None:
        """
        A URL or a credential that is no text is refused by its name.
        """
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("the url is text, not None;", {"url": None}),
            ("the key is text, not a value of the type int;", {"url": "ws://h", "key": 5}),
            ("the token is text, not a value of the type bytes;", {"url": "ws://h", "token": b"t"}),
        ]
        for said, options in wrong:
            self.assertIn(said, str(self.assertRaises(TypeError, Address, **options)))

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

    def test_local(self) -> None:
        """
        The listeners for this machine come before others.
        """
        local = self.config("tcp:1", "tcp:2:interface=127.0.0.1:local=1")
        self.assertEqual(urlsOf(local), ["ws://127.0.0.1:2", "ws://127.0.0.1:1"])
