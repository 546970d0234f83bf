"""
Tests for L{aerostack.cli.places}.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.options import CommandError
from aerostack.cli.places import choose, nameOf
from aerostack.settings.listen import parseDescription
from tests.net.certificates import Authority

UNIX, LOOPBACK, ALL = "unix:/run/rt.sock", "tcp:1:interface=127.0.0.1", "tcp:2"
LOCAL, OTHER = "tcp:3:interface=127.0.0.1:local=1", "tcp:4:interface=10.0.0.5"
TLS = "ssl:443:privateKey=key.pem:certKey=cert.pem"
SYSTEMD = "systemd:domain=INET6:name=https:privateKey=key.pem"
PROXIED = "haproxy:tcp:5"


class ChooseTests(SynchronousTestCase):
    """
    Tests for L{choose}.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()
        Authority("CA").renew(self.base)

    def url(self, *listen: str, mayOpen: bool = True, **wishes: bool) -> str:
        """
        The address that is chosen.
        """
        found = choose(
            map(parseDescription, listen), self.base, canOpen=lambda _: mayOpen, **wishes
        )
        return found.url

    def test_order(self) -> None:
        """
        A Unix socket comes first, then the loopback interface, then TLS, wherever they stand.
        """
        order = {
            UNIX: "ws+unix:///run/rt.sock",
            ALL: "ws://127.0.0.1:2",
            TLS: "wss://localhost",
            OTHER: "ws://10.0.0.5:4",
        }
        listen = [PROXIED, SYSTEMD, *reversed(order)]
        for best, url in order.items():
            self.assertEqual(self.url(*listen), url)
            listen.remove(best)

    def test_closed(self) -> None:
        """
        A Unix socket that this user may not open comes last.
        """
        self.assertEqual(self.url(UNIX, OTHER, mayOpen=False), "ws://10.0.0.5:4")
        self.assertEqual(self.url(UNIX, mayOpen=False), "ws+unix:///run/rt.sock")

    def test_console(self) -> None:
        """
        What is for programs of this machine only is asked at a listener that is for them.
        """
        self.assertEqual(self.url(UNIX, LOOPBACK, LOCAL, forConsole=True), "ws://127.0.0.1:3")
        self.assertEqual(self.url(UNIX, LOOPBACK, forConsole=True), "ws+unix:///run/rt.sock")
        self.assertEqual(self.url(UNIX, TLS, forConsole=True, forBrowser=True), "wss://localhost")

    def test_certificate(self) -> None:
        """
        With TLS the address has the certificate's name, and the connection goes to the listener.
        """
        (description,) = map(parseDescription, [TLS.replace("443", "8443")])
        place = choose([description], self.base)
        self.assertEqual(place.url, "wss://localhost:8443")
        self.assertEqual(place.via, ("127.0.0.1", 8443))
        self.assertEqual(place.certificate, self.base / "cert.pem")

    def test_nowhere(self) -> None:
        """
        Where no listener can be found the message says why, and what to do.
        """
        for listen, browser, text in (
            ([SYSTEMD], False, "systemd opens .* give --url, or add a socket to server.listen"),
            ([PROXIED], False, "only a proxy can .* give --url"),
            ([UNIX], True, "no browser gets through a Unix socket; let the daemon listen on a po"),
            ([TLS.replace("cert.pem", "none.pem")], False, r"none.pem, .*\(No such file .*--url"),
            ([TLS.replace("cert.pem", "key.pem")], False, "key.pem holds no PEM certificate"),
        ):
            with self.assertRaisesRegex(CommandError, text):
                self.url(*listen, forBrowser=browser)


class NameTests(SynchronousTestCase):
    """
    Tests for L{nameOf}.
    """

    def name(self, *names: x509.GeneralName) -> str | None:
        """
        The name in a certificate for some names.
        """
        authority = Authority("CA")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = authority._builder(authority, x509.Name([]), key, (-1, 1))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        return nameOf(builder.sign(authority.key, hashes.SHA256()))

    def test_names(self) -> None:
        """
        A whole name is preferred to one with a star, and that to an address.
        """
        plain, starred = x509.DNSName("rt.example.com"), x509.DNSName("*.example.com")
        address = x509.IPAddress(ip_address("10.0.0.5"))
        self.assertEqual(self.name(address, starred, plain), "rt.example.com")
        self.assertEqual(self.name(address, starred), "aerostack-rt.example.com")
        self.assertEqual(self.name(address), "10.0.0.5")
        self.assertIsNone(self.name())
