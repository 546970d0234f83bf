"""
Tests for L{aerostack.engine.valkey.probe}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.address import Host, ValkeyAddress
from aerostack.engine.valkey.probe import ProbeError, probe
from tests.engine.valkey.server import sharedServer
from tests.ports import freePort


class ProbeTests(SynchronousTestCase):
    """
    Tests for asking a server once.
    """

    def setUp(self) -> None:
        self.server = sharedServer(self)
        self.host = Host("127.0.0.1", self.server.port)

    def test_settings(self) -> None:
        """The settings that lose events are named, and no others."""
        self.server.configure("maxmemory-policy", "allkeys-lru")
        found = probe(ValkeyAddress((self.host,)))
        self.assertEqual(found.host, self.host)
        self.assertRegex(found.name, r"\A(Valkey|Redis) \d+\.\d+")
        self.assertEqual(len(found.warnings), 2, found.warnings)
        self.assertIn("maxmemory-policy is allkeys-lru", found.warnings[0])
        self.assertIn("appendonly is no", found.warnings[1])
        self.server.configure("maxmemory-policy", "noeviction")
        self.server.configure("appendonly", "yes")
        self.assertEqual(probe(ValkeyAddress((self.host,))).warnings, ())

    def test_password(self) -> None:
        """The daemon logs in; a wrong password is refused, and is not shown."""
        self.server.addUser("rt", "s3cret", "~*", "&*", "+@all")
        address = ValkeyAddress((self.host,), username="rt")
        probe(address.withPassword("s3cret"))
        error = self.assertRaises(ProbeError, probe, address.withPassword("wr0ng"))
        self.assertIn("WRONGPASS", str(error))
        self.assertNotIn("wr0ng", str(error))

    def test_unreachable(self) -> None:
        """A server that is not there is named."""
        host = Host("127.0.0.1", freePort(self))
        error = self.assertRaises(ProbeError, probe, ValkeyAddress((host,)))
        self.assertIn(str(host), str(error))
