"""
Tests of L{aerostack.engine.valkey.sentinel}, with real Sentinels.
"""

from __future__ import annotations

from dataclasses import replace

import hiredis
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from aerostack.engine.valkey import sentinel as asking
from aerostack.engine.valkey.address import Host, ValkeyAddress
from aerostack.engine.valkey.endpoints import Endpoints
from aerostack.engine.valkey.link import Link, Login
from aerostack.engine.valkey.probe import ProbeError, probe
from aerostack.engine.valkey.scripts import Scripts
from aerostack.engine.valkey.sentinel import MasterUnknown, Sentinels
from tests import PATIENCE
from tests.engine.valkey.lines import until
from tests.engine.valkey.server import ValkeyServer, ownServer
from tests.engine.valkey.test_link import User
from tests.ports import freePort


def sentinelFor(test: TestCase, master: ValkeyServer) -> ValkeyServer:
    """
    Start a Sentinel that decides alone, and takes a master for gone after a minute.
    """
    return ownServer(
        test,
        f"sentinel monitor main 127.0.0.1 {master.port} 1",
        "sentinel down-after-milliseconds main 60000",
        "sentinel failover-timeout main 20000",
        sentinel=True,
    )


class SentinelTests(TestCase):
    """
    A master, perhaps with a replica, and a Sentinel.
    """

    def setUp(self) -> None:
        # A slow machine may take longer to answer.
        self.patience = asking.ANSWER
        self.patch(asking, "ANSWER", PATIENCE)
        self.server = ownServer(self)
        self.sentinel = sentinelFor(self, self.server)
        self.gone = Host("127.0.0.1", freePort(self))
        self.host = Host("127.0.0.1", self.sentinel.port)

    def make(self, *hosts: Host, name: str = "main", password: str | None = None) -> Sentinels:
        """
        Make what asks the Sentinels.
        """
        connect = Endpoints(reactor, False, None).connect
        sentinels = Sentinels(reactor, connect, hosts, name, password)
        self.addCleanup(sentinels.stop)
        return sentinels

    def switched(self) -> bool:
        """
        Tell the Sentinel to switch.

        @return: Whether it does; it has to know the replica first.
        """
        try:
            self.sentinel.execute("SENTINEL", "FAILOVER", "main")
        except hiredis.ReplyError as error:
            if not str(error).startswith("NOGOODSLAVE"):
                raise
            return False
        return True

    async def test_finds(self) -> None:
        """
        A Sentinel that is there names the master, wherever it stands in the list.
        """
        sentinels = self.make(self.gone, self.host)
        for _ in range(3):
            await sentinels.find()
            self.assertEqual(sentinels.master, Host("127.0.0.1", self.server.port))

    async def test_unknown(self) -> None:
        """
        When no Sentinel names the master, the message says what each has answered.
        """
        sentinels = self.make(self.gone, self.host, name="other")
        error = await self.assertFailure(sentinels.find(), MasterUnknown)
        self.assertIn(f"{self.gone}: Connection was refused", str(error))
        self.assertIn(f"{self.host}: it knows no master of that name", str(error))

    async def test_password(self) -> None:
        """
        A Sentinel that asks for a password gets it, from the daemon and from C{--check}; without
        it, or with another one, the message names the Sentinel and not the password.
        """
        self.sentinel.execute("ACL", "SETUSER", "default", "resetpass", ">s3cret")
        for password, word in ((None, "NOAUTH"), ("wr0ng", "WRONGPASS")):
            sentinels = self.make(self.host, password=password)
            error = await self.assertFailure(sentinels.find(), MasterUnknown)
            self.assertIn(f"{self.host}: {word}", str(error))
            self.assertNotIn("wr0ng", str(error))
        sentinels = self.make(self.host, password="s3cret")
        await sentinels.find()
        self.assertEqual(sentinels.master, Host("127.0.0.1", self.server.port))
        address = ValkeyAddress((self.host,), master="main")
        self.assertIn("NOAUTH", str(self.assertRaises(ProbeError, probe, address)))
        found = probe(replace(address, sentinelPassword="s3cret"))
        self.assertEqual(found.host, Host("127.0.0.1", self.server.port))

    async def test_frozen(self) -> None:
        """
        A Sentinel that does not answer is passed over.
        """
        other = sentinelFor(self, self.server)
        sentinels = self.make(Host("127.0.0.1", other.port), self.host)
        self.patch(asking, "ANSWER", self.patience)
        other.freeze()
        found = 0
        while found < 2:
            try:
                await sentinels.find()
                found += 1
            except MasterUnknown:
                # The one that runs was late, too.
                pass
        self.assertEqual(sentinels.master, Host("127.0.0.1", self.server.port))

    def demoted(self) -> bool:
        """
        Return whether the server has become a replica.
        """
        try:
            return bool(self.server.execute("ROLE")[0] == b"slave")
        except ConnectionResetError:
            # A Sentinel closes all connections of a server that it demotes.
            return False

    async def test_failover(self) -> None:
        """
        When the Sentinels switch to a replica, a link follows them, also while the old master still
        answers.
        """
        replica = ownServer(self, f"replicaof 127.0.0.1 {self.server.port}")
        replica.waitUntilFollowing()
        sentinels = self.make(self.host)
        user = User()
        scripts = Scripts({"set": "return redis.call('SET', KEYS[1], ARGV[1])"}, "run")
        login = Login("test", b"own")
        link = Link(reactor, sentinels.find, login, scripts, user, lambda: 0.0)
        self.addCleanup(link.stop)
        link.start()
        sentinels.start(link.reconnect)
        await until(lambda: link.isUp)
        await until(self.switched)
        await until(lambda: sentinels.master == Host("127.0.0.1", replica.port) and link.isUp)
        await link.run("set", [b"k"], [b"v"])
        self.assertEqual(replica.execute("GET", "k"), b"v")
        # The new master is killed; the old one, which has become its replica, takes over.
        await until(self.demoted)
        self.server.waitUntilFollowing()
        await until(lambda: self.server.execute("GET", "k") == b"v")
        self.sentinel.execute("SENTINEL", "SET", "main", "down-after-milliseconds", "500")
        replica.kill()
        await until(lambda: link.isUp and sentinels.master == Host("127.0.0.1", self.server.port))
        self.assertEqual(await link.command("GET", "k"), b"v")
