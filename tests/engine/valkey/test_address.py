"""
Tests of L{aerostack.engine.valkey.address}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.address import Host, ValkeyAddress, parseAddress


class AddressTests(SynchronousTestCase):
    """
    URLs and what they mean.
    """

    def test_parts(self) -> None:
        """
        Every part of a URL is read, and what it leaves out has a default.
        """
        for url, expected in (
            ("valkey://h", ValkeyAddress((Host("h", 6379),))),
            ("redis://h:1/2", ValkeyAddress((Host("h", 1),), database=2)),
            ("valkey://[::1]:5/", ValkeyAddress((Host("::1", 5),))),
            (
                "rediss://a%40b:p%2F%3A@h/0?cafile=/etc/c%20a.pem",
                ValkeyAddress((Host("h", 6379),), True, "a@b", "p/:", authorities="/etc/c a.pem"),
            ),
            ("valkeys://:p:q@h", ValkeyAddress((Host("h", 6379),), True, None, "p:q")),
            ("valkey://ann@h", ValkeyAddress((Host("h", 6379),), username="ann")),
            (
                "valkey://a,b:7?master=main",
                ValkeyAddress((Host("a", 26379), Host("b", 7)), master="main"),
            ),
            ("redis+sentinel://a", ValkeyAddress((Host("a", 26379),), master="mymaster")),
        ):
            self.assertEqual(parseAddress(url), expected, url)

    def test_written(self) -> None:
        """
        The URL that is shown has all parts except the password, and reads back as the same.
        """
        for url in ("redis://ann:secret@h", "valkeys://:secret@[::1],b/3?master=m&cafile=/x"):
            address = parseAddress(url)
            self.assertNotIn("secret", address.url + repr(address))
            again = parseAddress(address.url).withPassword("secret")
            self.assertEqual(again, address)

    def test_refused(self) -> None:
        """
        The message says what is wrong, and never shows the password.
        """
        for url, expected in (
            ("http://secret@h", "begins with none of valkey://, redis://"),
            ("valkey:h", "begins with none of"),
            ("valkey://a:se/cret@h", "is malformed"),
            ("valkey://a:secret%zz@h", "% that begins no character"),
            ("valkey://a:secret@", "has a server that is no host:port"),
            ("valkey://a:secret@h:0", "has a server that is no host:port"),
            ("valkey://a:secret@h:99999", "has a server that is no host:port"),
            ("valkey://a:secret@h,/0", "has a server that is no host:port"),
            ("valkey://a:secret@h/x", "has a database that is no number"),
            ("valkey://a:secret@h?mastr=m", "did you mean 'master'"),
            ("valkey://a:secret@h?x=m", "known are master, cafile"),
            ("valkey://a:secret@h,g?master=", "not known, or empty"),
            ("valkey://a:secret@h,g?master=m&master=m", "the option master twice"),
            ("valkey://a:secret@h?master=m", "write valkey+sentinel://"),
            ("redis://a:secret@h?cafile=m", "write rediss://"),
        ):
            message = str(self.assertRaises(ValueError, parseAddress, url))
            self.assertIn(expected, message)
            self.assertNotIn("secret", message)
            self.assertNotIn("cret", message)

    def test_twoPasswords(self) -> None:
        """
        A password in the URL and another one beside it are refused.
        """
        address = parseAddress("valkey://:secret@h")
        self.assertRaises(ValueError, address.withPassword, "other")

    def test_files(self) -> None:
        """
        The file of the authorities is found where the caller says.
        """
        address = parseAddress("valkeys://h?cafile=ca.pem")
        self.assertEqual(address.withFiles(lambda path: f"/etc/{path}").authorities, "/etc/ca.pem")
        plain = parseAddress("valkey://h")
        self.assertIs(plain.withFiles(lambda path: f"/etc/{path}"), plain)
