"""
Tests for L{aerostack.settings.addresses}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.settings.addresses import UNIX, Proxies, isLoopback

addresses = st.ip_addresses(v=4).map(str)


class ProxiesTests(SynchronousTestCase):
    """
    Tests for L{Proxies}.
    """

    def test_direct(self) -> None:
        """
        A client without a trusted proxy is counted by its peer's address, even if it sends headers.
        """
        for proxies in (Proxies([]), Proxies(["10.0.0.0/8", UNIX])):
            for forwarded in ((), ("198.51.100.1",), ("10.0.0.1, 10.0.0.2",)):
                self.assertEqual(proxies.client("192.0.2.7", forwarded), "192.0.2.7")

    def test_forwarded(self) -> None:
        """
        A trusted proxy's header counts: the client is the last entry that is not a trusted proxy.
        """
        proxies = Proxies(["10.0.0.0/8", "2001:db8::1"])
        for forwarded, client in (
            (("198.51.100.1",), "198.51.100.1"),
            (("203.0.113.9, 198.51.100.1",), "198.51.100.1"),
            (("203.0.113.9", "198.51.100.1, 10.1.1.1 ,10.2.2.2"), "198.51.100.1"),
            (("203.0.113.9,198.51.100.1", "2001:db8::1"), "198.51.100.1"),
            ((" 198.51.100.1:4711",), "198.51.100.1"),
            (("[2001:db8:1:2:3::4]:4711",), "2001:db8:1:2::/64"),
            (("::ffff:198.51.100.1",), "198.51.100.1"),
        ):
            self.assertEqual(proxies.client("10.0.0.1", forwarded), client, forwarded)

    def test_silent(self) -> None:
        """
        A trusted proxy without a valid header is counted itself; if all entries are trusted, the
        first is.
        """
        proxies = Proxies(["10.0.0.0/8"])
        for forwarded, client in (
            ((), "10.0.0.1"),
            (("",), "10.0.0.1"),
            (("unknown",), "10.0.0.1"),
            (("198.51.100.1, _hidden",), "10.0.0.1"),
            (("198.51.100.1, 1.2.3, 10.0.0.9",), "10.0.0.9"),
            (("10.0.0.7, 10.0.0.8",), "10.0.0.7"),
            (("[", "10.0.0.8"), "10.0.0.8"),
        ):
            self.assertEqual(proxies.client("10.0.0.1", forwarded), client, forwarded)

    def test_unix(self) -> None:
        """
        A client through a Unix socket is counted only if its proxy is trusted.
        """
        self.assertIsNone(Proxies([]).client(None, ["198.51.100.1"]))
        self.assertIsNone(Proxies(["0.0.0.0/0"]).client(None, ["198.51.100.1"]))
        self.assertEqual(Proxies([UNIX]).client(None, ["198.51.100.1"]), "198.51.100.1")
        self.assertIsNone(Proxies([UNIX]).client(None, []))

    def test_networks(self) -> None:
        """
        An IPv6 client is counted with its whole /64, and one that came over IPv4 by its
        IPv4 address.
        """
        proxies = Proxies([])
        self.assertEqual(proxies.client("2001:db8:1:2::3", ()), "2001:db8:1:2::/64")
        self.assertEqual(
            proxies.client("2001:db8:1:2:ffff::", ()), proxies.client("2001:db8:1:2::", ())
        )
        self.assertEqual(proxies.client("fe80::1%eth0", ()), "fe80::/64")
        self.assertEqual(proxies.client("::ffff:192.0.2.7", ()), "192.0.2.7")

    def test_mapped(self) -> None:
        """
        A proxy is trusted by its IPv4 address on an IPv6 socket, too.
        """
        proxies = Proxies(["10.0.0.1"])
        self.assertEqual(proxies.client("::ffff:10.0.0.1", ["198.51.100.1"]), "198.51.100.1")

    @given(st.text(), st.lists(st.sampled_from(["10.0.0.2", "10.3.0.1"])), addresses)
    def test_forged(self, forged: str, proxies: list[str], client: str) -> None:
        """
        Entries that the client writes itself never count.
        """
        trusted = Proxies(["10.0.0.0/8"])
        counted = trusted.client("10.0.0.1", [forged, ", ".join([client, *proxies])])
        if not client.startswith("10."):
            self.assertEqual(counted, client)


class LoopbackTests(SynchronousTestCase):
    """
    Tests for L{isLoopback}.
    """

    def test_loopback(self) -> None:
        """
        This machine's own addresses are known in every form in which a socket names them.
        """
        for peer in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
            self.assertTrue(isLoopback(peer), peer)
        for peer in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "0.0.0.0", "localhost", ""):
            self.assertFalse(isLoopback(peer), peer)
