"""
Tests of L{aerostack.engine.valkey.link}, against real servers.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    serverFromString,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.trial.unittest import TestCase

from aerostack.engine.valkey import link as linking
from aerostack.engine.valkey import watch
from aerostack.engine.valkey.address import Host
from aerostack.engine.valkey.endpoints import Endpoints
from aerostack.engine.valkey.errors import NotConnected, ReplyError, Unanswered
from aerostack.engine.valkey.link import Link, Login
from aerostack.engine.valkey.scripts import Scripts
from aerostack.testing.relay import Relay
from tests import PATIENCE
from tests.engine.valkey.lines import until
from tests.engine.valkey.server import ownServer, sharedServer
from tests.net.certificates import Authority

SCRIPTS = Scripts({"set": "return redis.call('SET', KEYS[1], ARGV[1])"}, "run")


class User:
    """
    Keeps what a link tells.

    @ivar told: The generations of C{up} and the reasons of C{down}, in their order.
    """

    def __init__(self) -> None:
        self.told: list[int | str] = []
        self.pushes: list[list[Any]] = []

    def up(self, generation: int) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser}."""
        self.told.append(generation)

    def down(self, reason: str) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser}."""
        self.told.append(reason)

    def pushed(self, push: list[Any]) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser}."""
        self.pushes.append(push)


class LinkTests(TestCase):
    """
    A link to a real server, mostly through a relay.
    """

    def setUp(self) -> None:
        self.server = sharedServer(self)
        # A slow machine may take longer to connect, and to answer.
        self.patience = linking.OPENING
        self.wait(PATIENCE)
        self.user = User()
        self.endpoint: IStreamClientEndpoint = UNIXClientEndpoint(reactor, self.server.path)

    def wait(self, seconds: float) -> None:
        """
        Let the link wait for so long for a connection, and for the server's next byte.
        """
        self.patch(linking, "OPENING", seconds)
        self.patch(watch, "SILENCE", seconds)

    def start(self, **login: Any) -> Link:
        """
        Start a link, which is stopped when the test is over.
        """
        link = Link(
            reactor,
            lambda: succeed(self.endpoint),
            Login("test", b"own", **login),
            SCRIPTS,
            self.user,
            lambda: 0.0,
        )
        self.addCleanup(link.stop)
        link.start()
        return link

    async def relayed(self) -> Relay:
        """
        Put a relay in front of the server.
        """
        relay = Relay(reactor, self.endpoint)
        address: Any = await relay.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        self.addCleanup(relay.stop)
        self.endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", address.port)
        return relay

    async def told(self, count: int) -> list[int | str]:
        """
        Wait until the link has called C{up} and C{down} so often.
        """
        await until(lambda: len(self.user.told) >= count)
        return self.user.told

    def refusals(self) -> int:
        """
        How many logins the server has refused.
        """
        counts = self.server.execute("INFO", "commandstats").decode()
        found = re.search(r"cmdstat_hello:.*failed_calls=(\d+)", counts)
        return int(found[1]) if found else 0

    async def test_up(self) -> None:
        """
        A link that is up carries commands, scripts and messages, and keeps its probes to itself.
        """
        link = self.start()
        await self.assertFailure(link.command("PING"), NotConnected)
        await self.told(1)
        self.assertEqual(await link.run("set", [b"k"], [b"5"]), b"OK")
        self.assertEqual(await link.command("GET", "k"), b"5")
        await link.subscribe([b"c"])
        await link.command("PUBLISH", "own", "1")
        await link.command("PUBLISH", "c", "1")
        await until(lambda: self.user.pushes)
        self.assertEqual(self.user.pushes, [[b"message", b"c", b"1"]])
        await link.unsubscribe([b"c"])
        self.assertEqual(await link.command("PUBLISH", "c", "1"), 0)
        self.assertIn(b"name=test", self.server.execute("CLIENT", "LIST"))

    async def test_killed(self) -> None:
        """
        When the server is killed, commands that wait fail, and the link comes back with its scripts
        and another generation.
        """
        link = self.start()
        await self.told(1)
        waiting = link.command("BLPOP", "nothing", 0)
        self.server.restart()
        await self.assertFailure(waiting, Unanswered)
        await until(lambda: link.isUp and link.generation == 2)
        self.assertEqual((self.user.told[0], self.user.told[-1]), (1, 2))
        self.assertEqual(await link.run("set", [b"k"], [b"v"]), b"OK")

    async def test_twoCuts(self) -> None:
        """
        Two losses shortly after each other give two downs and two ups, each once (trap 9).
        """
        relay = await self.relayed()
        link = self.start()
        await self.told(1)
        for generation in (2, 3):
            relay.cut()
            await until(lambda expected=generation: self.user.told[-1] == expected)
        self.assertEqual([one for one in self.user.told if isinstance(one, int)], [1, 2, 3])
        self.assertEqual(len(self.user.told), 5)
        self.assertEqual(link.generation, 3)
        self.assertEqual(self.server.execute("PUBSUB", "NUMSUB", "own"), [b"own", 1])

    async def test_silent(self) -> None:
        """
        A line that goes silent without a close is left, and the link comes back (trap 13).
        """
        relay = await self.relayed()
        self.start()
        await self.told(1)
        self.wait(self.patience)
        relay.hold()
        told = await self.told(2)
        self.assertIn("has sent nothing for 3 seconds", str(told[1]))
        relay.release()
        await until(lambda: self.user.told[-1] == 2)

    async def test_loginUnanswered(self) -> None:
        """
        A login that is not answered once is tried again (trap 14).
        """
        relay = await self.relayed()
        self.wait(self.patience)
        relay.hold()
        self.start()
        told = await self.told(1)
        self.assertIn("has not answered within 3 seconds", str(told[0]))
        relay.release()
        await until(lambda: self.user.told[-1] == 1)

    async def test_wrongPassword(self) -> None:
        """
        The link reports a refused login once, without the password, and tries again until the
        server accepts it.
        """
        self.server.addUser("ann", "other", "~*", "&*", "+@all")
        before = self.refusals()
        self.start(username="ann", password="secret")
        told = await self.told(1)
        self.assertIn("WRONGPASS", str(told[0]))
        self.assertNotIn("secret", str(told[0]))
        await until(lambda: self.refusals() >= before + 4)
        self.assertEqual(len(self.user.told), 1)
        self.server.addUser("ann", "secret", "~*", "&*", "+@all")
        self.assertEqual((await self.told(2))[1:], [1])

    async def test_noChannel(self) -> None:
        """
        If the role may not subscribe, the link reports that: it does not use a server that brings
        no messages.
        """
        self.server.addUser("ann", "secret", "~*", "+@all")
        self.start(username="ann", password="secret")
        self.assertIn("NOPERM", str((await self.told(1))[0]))

    async def test_demoted(self) -> None:
        """
        A master that became a replica is left without being asked to close (trap 12).
        """
        master = ownServer(self)
        self.start()
        await self.told(1)
        self.server.follow(master)
        told = await self.told(2)
        self.assertIn("its role is slave", str(told[1]))
        self.server.follow(None)
        await until(lambda: self.user.told[-1] == 2)

    async def test_readOnly(self) -> None:
        """
        A refused write drops the line at once, also the write of a script.
        """
        master = ownServer(self)
        link = self.start()
        for generation, write in (
            (1, lambda: link.command("SET", "k", "v")),
            (2, lambda: link.run("set", [b"k"], [b"v"])),
        ):
            await until(lambda expected=generation: self.user.told[-1:] == [expected])
            self.server.follow(master)
            error = await self.assertFailure(write(), ReplyError)
            self.assertTrue(error.isReadOnly)
            self.assertFalse(link.isUp)
            self.server.follow(None)

    async def test_database(self) -> None:
        """
        The link uses the database of its login, again after a reconnect.
        """
        link = self.start(database=3)
        await self.told(1)
        await link.command("SET", "k", "v")
        link.reconnect("Another server.")
        await until(lambda: self.user.told[-1] == 2)
        self.assertEqual(await link.command("GET", "k"), b"v")
        self.assertIsNone(self.server.execute("GET", "k"))

    async def test_stop(self) -> None:
        """
        A link that is stopped tells nothing more, also while it connects.
        """
        relay = await self.relayed()
        relay.hold()
        link = self.start()
        await until(lambda: relay.accepted)
        await link.stop()
        self.assertEqual(self.user.told, [])
        await self.assertFailure(link.command("PING"), NotConnected)

    async def test_tls(self) -> None:
        """
        With TLS, a server is used only if a trusted authority has signed its certificate.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        trusted, other = Authority("Trusted"), Authority("Other")
        trusted.renew(directory)
        for name, authority in (("trusted", trusted), ("other", other)):
            (directory / f"{name}.pem").write_bytes(authority.pem)
        relay = Relay(reactor, self.endpoint)
        description = f"ssl:0:interface=127.0.0.1:privateKey={directory}/key.pem"
        listening: Deferred[Any] = relay.listen(
            serverFromString(reactor, f"{description}:certKey={directory}/cert.pem")
        )
        host = Host("localhost", (await listening).port)
        self.addCleanup(relay.stop)
        self.endpoint = Endpoints(reactor, True, str(directory / "other.pem")).connect(host)
        link = self.start()
        self.assertIn("certificate verify failed", str((await self.told(1))[0]))
        self.endpoint = Endpoints(reactor, True, str(directory / "trusted.pem")).connect(host)
        await until(lambda: link.isUp)
        self.assertEqual(await link.command("ECHO", "a"), b"a")
        for name, content, message in (
            ("none", "", "none.pem: holds no PEM certificate"),
            ("bad", "-----BEGIN CERTIFICATE-----\nAAAA\n", "bad.pem: holds a certificate that"),
        ):
            path = directory / f"{name}.pem"
            path.write_text(content)
            error = self.assertRaises(ValueError, Endpoints, reactor, True, str(path))
            self.assertIn(message, str(error))
