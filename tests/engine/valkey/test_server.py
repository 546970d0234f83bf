"""
Tests of the server for tests.
"""

from __future__ import annotations

import hiredis
from twisted.trial.unittest import SynchronousTestCase

from tests.engine.valkey.server import ownServer, sharedServer


class ServerTests(SynchronousTestCase):
    """
    What other tests do to a server.
    """

    def test_snapshot(self) -> None:
        """
        A server that was restored has the data of its snapshot, and a server that was killed has
        none.
        """
        server = sharedServer(self)
        server.execute("SET", "k", "old")
        server.takeSnapshot()
        server.execute("SET", "k", "new")
        server.restoreSnapshot()
        self.assertEqual(server.execute("GET", "k"), b"old")
        server.restart()
        self.assertIsNone(server.execute("GET", "k"))

    def test_reset(self) -> None:
        """
        The next test gets the shared server as the first test got it.
        """
        server = sharedServer(self)
        policy = server.execute("CONFIG", "GET", "maxmemory-policy")
        server.configure("maxmemory-policy", "allkeys-lru")
        server.addUser("ann", "secret", "~*", "+@all")
        server.execute("ACL", "SETUSER", "default", "-get")
        server.execute("SET", "k", "v")
        server.kill()
        server.start()
        server.execute("SET", "k", "v")
        server.freeze()
        server.reset()
        self.assertEqual(server.execute("CONFIG", "GET", "maxmemory-policy"), policy)
        self.assertEqual(server.execute("ACL", "USERS"), [b"default"])
        self.assertIsNone(server.execute("GET", "k"))

    def test_replica(self) -> None:
        """
        A replica has its master's data and refuses to write.
        """
        master, replica = sharedServer(self), ownServer(self)
        master.execute("SET", "k", "v")
        replica.follow(master)
        replica.waitUntilFollowing()
        self.assertEqual(replica.execute("GET", "k"), b"v")
        refused = self.assertRaises(hiredis.ReplyError, replica.execute, "SET", "k", "v")
        self.assertIn("READONLY", str(refused))
