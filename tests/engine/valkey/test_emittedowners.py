"""
Tests for L{aerostack.engine.valkey.emittedowners}, against a real server.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from aerostack.engine.valkey.emittedowners import LIFE, ValkeyEmittedOwners
from aerostack.engine.valkey.emittedscripts import SCRIPTS
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.errors import RealtimeError
from aerostack.interfaces.emittedowners import IEmittedOwners
from tests.engine.valkey.cases import ServerCase

TOPIC = "ai-chat/é/p"


class EmittedOwnersTests(ServerCase):
    """
    Tests for L{ValkeyEmittedOwners} with two nodes.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        self.links: list[Link] = []
        for name in ("r0", "r1"):
            owners = ValkeyEmittedOwners(Keys(), name)
            link = self.makeLink(name, dict(SCRIPTS), owners)
            owners.begin(link)
            link.start()
            self.nodes.append(owners)
            self.links.append(link)
        await self.until(lambda: all(link.isUp for link in self.links))
        self.first, self.second = self.nodes

    async def test_owned(self) -> None:
        """
        The first node that wants a topic has it, until it leaves it.
        """
        verifyObject(IEmittedOwners, self.first)
        self.assertIsNone(await self.first.ownerOf(TOPIC))
        for owners in (self.first, self.second, self.first):
            self.assertEqual(await owners.own(TOPIC, None), "r0")
        self.second.disown(TOPIC)
        self.assertEqual(await self.second.ownerOf(TOPIC), "r0")
        self.first.disown(TOPIC)
        self.assertIsNone(await self.first.ownerOf(TOPIC))
        self.assertEqual(await self.second.own(TOPIC, None), "r1")

    async def test_instead(self) -> None:
        """
        A node takes the place of one that is gone, and of no other.
        """
        await self.first.own(TOPIC, None)
        self.assertEqual(await self.second.own(TOPIC, "r2"), "r0")
        self.assertEqual(await self.second.own(TOPIC, "r0"), "r1")
        self.first.renew(TOPIC)
        self.assertEqual(await self.first.ownerOf(TOPIC), "r1")

    async def test_life(self) -> None:
        """
        The server forgets a topic after a while, and later if it is renewed.
        """
        await self.first.own(TOPIC, None)
        key = Keys().emittedOf(TOPIC)
        self.assertIn(self.server.execute("TTL", key), range(LIFE - 60, LIFE + 1))
        self.server.execute("EXPIRE", key, LIFE // 2)
        self.first.renew(TOPIC)
        await self.first.ownerOf(TOPIC)
        self.assertIn(self.server.execute("TTL", key), range(LIFE - 60, LIFE + 1))

    async def test_again(self) -> None:
        """
        What a server has lost is noted again over the next connection, unless another node has it
        by now.
        """
        for topic in ("a", "b", "c"):
            await self.first.own(topic, None)
        self.first.disown("c")
        await self.first.ownerOf("c")
        self.server.execute("FLUSHALL")
        await self.second.own("b", None)
        self.links[0].reconnect("A test.")
        await self.until(lambda: self.links[0].isUp)
        found = [await self.first.ownerOf(topic) for topic in ("a", "b", "c")]
        self.assertEqual(found, ["r0", "r1", None])

    async def test_down(self) -> None:
        """
        Without a connection nothing is known.
        """
        await self.links[1].stop()
        self.second.renew(TOPIC)
        self.second.disown(TOPIC)
        for asked in (self.second.own(TOPIC, None), self.second.ownerOf(TOPIC)):
            error = await self.assertFailure(asked, RealtimeError)
            self.assertEqual(error.code, "engine_unavailable")
