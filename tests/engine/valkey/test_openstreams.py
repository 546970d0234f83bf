"""
Tests for L{aerostack.engine.valkey.openstreams}, against a real server.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.answers.openstream import OpenStream
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.openscripts import SCRIPTS
from aerostack.engine.valkey.openstreams import PIECE, ValkeyOpenStreams
from aerostack.errors import RealtimeError
from aerostack.interfaces.openstreams import IOpenStreams
from tests.engine.valkey.cases import ServerCase


def stream(name: str, began: int = 1000) -> OpenStream:
    return OpenStream("ai-chat/7/p", name, began)


class OpenStreamsTests(ServerCase):
    """
    Tests for L{ValkeyOpenStreams} with two nodes.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        self.links: list[Link] = []
        for name in ("r0", "r1"):
            streams = ValkeyOpenStreams(Keys(), name)
            link = self.makeLink(name, dict(SCRIPTS), streams)
            streams.begin(link)
            link.start()
            self.nodes.append(streams)
            self.links.append(link)
        await self.until(lambda: all(link.isUp for link in self.links))
        self.first, self.second = self.nodes

    async def test_shared(self) -> None:
        """
        A node knows which streams another one has begun and not ended, however that one ends.
        """
        verifyObject(IOpenStreams, self.first)
        for each in (stream("a1"), stream("a2"), stream("é", 2000)):
            self.first.opened(each)
        self.first.closed(stream("a2"))
        self.first.closed(stream("other"))
        await self.first.runs()
        await self.links[0].stop()
        self.assertEqual(await self.second.runs(), ["r0"])
        found = await self.second.of("r0")
        self.assertEqual(set(found), {stream("a1"), stream("é", 2000)})
        self.assertEqual(await self.second.of("r1"), [])

    async def test_dropped(self) -> None:
        """
        A stream is forgotten when a node has ended it, and a run when it has no stream left.
        """
        self.first.opened(stream("a1"))
        self.first.opened(stream("a2"))
        await self.first.runs()
        await self.second.drop("r0", [stream("a1")])
        self.assertEqual(await self.second.of("r0"), [stream("a2")])
        self.assertEqual(await self.second.runs(), ["r0"])
        await self.second.drop("r0", [stream("a2")])
        self.assertEqual(await self.second.runs(), [])
        # A run that has ended all of its streams itself.
        self.first.opened(stream("a3"))
        self.first.closed(stream("a3"))
        self.assertEqual(await self.first.runs(), ["r0"])
        await self.second.drop("r0", [])
        self.assertEqual(await self.second.runs(), [])

    async def test_again(self) -> None:
        """
        What a server has lost is noted again over the next connection, and so is what began
        meanwhile; however much it is.
        """
        names = {stream(f"s{number}") for number in range(2 * PIECE + 1)}
        for each in names:
            self.first.opened(each)
        await self.first.runs()
        self.server.execute("FLUSHALL")
        self.links[0].reconnect("A test.")
        late = stream("late")
        self.first.opened(late)
        self.first.closed(stream("s0"))
        await self.until(lambda: self.links[0].isUp)
        await self.first.runs()
        self.assertEqual(set(await self.second.of("r0")), names - {stream("s0")} | {late})

    async def test_strange(self) -> None:
        """
        What no daemon has written is left out.
        """
        self.first.opened(stream("a1"))
        await self.first.runs()
        self.server.execute("SADD", "ar1:open:r0", "x", "[1]")
        self.assertEqual(await self.second.of("r0"), [stream("a1")])

    async def test_down(self) -> None:
        """
        Without a connection nothing is known.
        """
        await self.links[1].stop()
        self.second.opened(stream("a1"))
        self.second.closed(stream("a1"))
        for asked in (self.second.runs(), self.second.of("r0"), self.second.drop("r0", [])):
            error = await self.assertFailure(asked, RealtimeError)
            self.assertEqual(error.code, "engine_unavailable")


class KeysTests(SynchronousTestCase):
    """
    Tests for the names on the server.
    """

    def test_prefix(self) -> None:
        """
        The names of the keys begin with the installation's prefix.
        """
        keys = Keys("mine")
        self.assertEqual((keys.open, keys.openOf("r0")), (b"mine:open", b"mine:open:r0"))
