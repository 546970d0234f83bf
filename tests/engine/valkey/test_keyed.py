"""
Tests for L{aerostack.engine.valkey.keyed} and the scripts, on a real server.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed

from aerostack.core.keyed.values import Condition, Unplaced, Value, sizeOf, topicSizeOf
from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication
from aerostack.core.replay.tags import keptTag
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.engine.valkey import keyed, keyedscripts, logscripts
from aerostack.engine.valkey.keyed import ValkeyValues
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.log import ValkeyLog
from aerostack.errors import RealtimeError
from tests.engine.lognodes import DEPTH, WINDOW
from tests.engine.valkey.nodes import NodesCase

TOPIC = "state/a/p"
SCRIPTS = {**logscripts.SCRIPTS, **keyedscripts.SCRIPTS}


def publication(
    key: str,
    data: object,
    pos: Condition | None = None,
    mark: int | None = None,
    topic: str = TOPIC,
) -> Publication:
    """
    A value to publish; C{null} removes it.
    """
    text = str(data).encode()
    return Publication(topic, EVENT, "e", text, None, 1, mark, key=key, condition=pos)


class ValuesTests(NodesCase):
    """
    Two nodes on one server.

    @ivar kept: What the database has.
    """

    policy = KeyedPolicy(5, 10_000)
    memory = 30_000

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        self.kept: list[Publication] = []
        self.values: list[ValkeyValues] = []
        for node in (self.node(), self.node()):
            await self.until(lambda log=node.log: self.links[log].isUp)

    def makeLog(self, name: str, depth: Depth = DEPTH) -> ValkeyLog:
        values = ValkeyValues(
            Keys(),
            self.history,
            lambda topic: self.policy,
            lambda topic: succeed(self.kept),
            self.memory,
        )
        self.values.append(values)
        log = ValkeyLog(
            reactor,
            self.history,
            lambda topic: depth,
            name,
            WINDOW,
            self.patience,
            values=values,
        )
        link = self.links[log] = self.makeLink(name, SCRIPTS, log)
        log.begin(link)
        self.addCleanup(log.stop)
        return log

    def publish(self, number: int, made: Publication, tag: str | None = None) -> Deferred[Any]:
        """
        Publish at a node.
        """
        node = self.nodes[number]
        node._serial += 1
        placed: Deferred[Any] = node.log.publish(made, tag or f"{node.run}{node._serial}", None, 0)
        return placed

    async def page(self, number: int = 0, limit: int = 100) -> list[Value]:
        """
        Read all values at a node.
        """
        found: list[Value] = []
        while True:
            after = found[-1].serial if found else 0
            page = await self.values[number].page(TOPIC, after, limit, 1_000_000)
            if not page:
                return found
            found += page

    async def test_model(self) -> None:
        """
        Whatever two nodes publish, the values are those of a dictionary, conditions hold exactly
        where they should, and so do the bounds.
        """
        chance = Random(7)
        model: dict[str, tuple[bytes, str]] = {}
        for number in range(300):
            key = chance.choice("abcdefg")
            data = b"null" if chance.random() < 0.3 else b"%d" % number
            there = model.get(key)
            condition = chance.choice(
                [
                    None,
                    Condition(None),
                    Condition(there[1] if there else "e-1-0"),
                    Condition("e-ff-0"),
                ]
            )
            made = Publication(TOPIC, EVENT, "e", data, None, 1, key=key, condition=condition)
            holds = condition is None or (
                there is None if condition.pos is None else there and there[1] == condition.pos
            )
            isFull = there is None and data != b"null" and len(model) == self.policy.keys
            try:
                placed = await self.publish(number % 2, made)
            except Unplaced as error:
                self.assertTrue(error.isStale)
                self.assertFalse(holds)
                continue
            except RealtimeError as error:
                self.assertEqual(error.code, "state_full")
                self.assertTrue(isFull and holds)
                continue
            self.assertTrue(holds and not isFull)
            model.pop(key, None)
            if data != b"null":
                model[key] = data, str(placed.position)
        for number in (0, 1):
            found = await self.page(number, 2)
            self.assertEqual([(v.key, (v.data, str(v.place))) for v in found], list(model.items()))

    async def test_bytes(self) -> None:
        """
        The values of a topic have no more bytes than they may, however often they change.
        """
        for _ in range(30):
            await self.publish(0, publication("a", '"%s"' % ("x" * 4000)))
        await self.publish(1, publication("b", '"%s"' % ("x" * 4000)))
        with self.assertRaises(RealtimeError) as caught:
            await self.publish(1, publication("c", '"%s"' % ("x" * 1000)))
        self.assertEqual(caught.exception.code, "state_full")
        await self.publish(1, publication("a", "null"))
        await self.publish(1, publication("c", '"%s"' % ("x" * 1000)))

    async def test_project(self) -> None:
        """
        The values of all topics of a project have no more bytes than they may, at whichever node
        they come; another project has its own.
        """
        text = '"%s"' % ("x" * 4000)
        # Each topic counts about 2000 bytes, each value 750.
        for number in range(4):
            await self.publish(number % 2, publication("a", text, topic=f"state/{number}/p"))
        last = publication("a", text, topic="state/4/p")
        for number in (0, 1):
            with self.assertRaises(RealtimeError) as caught:
                await self.publish(number, last)
            self.assertEqual(caught.exception.code, "state_full")
            self.assertIn("the project's topics have at most 30000 bytes", str(caught.exception))
            with self.assertRaises(RealtimeError) as caught:
                await self.values[number].reserve(last, keptTag("state/4/p", "m1"))
            self.assertIn("the project's topics have at most 30000 bytes", str(caught.exception))
        await self.publish(0, publication("a", text, topic="state/4/q"))
        # A smaller value of a key that is there fits.
        await self.publish(1, publication("a", 1, topic="state/0/p"))
        await self.publish(1, publication("b", 1, topic="state/0/p"))
        await self.publish(0, publication("a", "null", topic="state/1/p"))
        await self.publish(1, last)

    async def test_accounts(self) -> None:
        """
        Whatever two nodes publish and remove on several topics, the server knows how many bytes the
        values of the project have; when they are all gone, it keeps nothing of them for ever.
        """
        chance, project = Random(3), Keys().valuesOf(TOPIC)[3]
        model: dict[str, dict[str, int]] = {}
        for number in range(200):
            topic, key = f"state/{chance.choice('abc')}/p", chance.choice("xyz")
            data = "null" if chance.random() < 0.4 else 10 ** chance.randrange(50)
            try:
                await self.publish(number % 2, publication(key, data, topic=topic))
            except RealtimeError as error:
                self.assertEqual(error.code, "state_full")
                continue
            sizes = model.setdefault(topic, {})
            sizes.pop(key, None)
            if data != "null":
                sizes[key] = sizeOf(key, str(data).encode())
            size = sum(sum(s.values()) + topicSizeOf(t) for t, s in model.items() if s)
            found = self.server.execute("HGET", project, "s")
            self.assertEqual(int(found or 0), size)
        for topic, sizes in model.items():
            for key in sizes:
                await self.publish(0, publication(key, "null", topic=topic))
            self.assertGreater(self.server.execute("PTTL", Keys().valuesOf(topic)[2]), 0)
        self.assertEqual(self.server.execute("EXISTS", project), 0)

    async def test_healed(self) -> None:
        """
        What the server counts of a project is right again once a topic is written whose values
        were not counted.
        """
        await self.publish(0, publication("a", 1))
        project = Keys().valuesOf(TOPIC)[3]
        counted = self.server.execute("HGET", project, "s")
        self.server.execute("DEL", project)
        await self.publish(1, publication("a", 2))
        self.assertEqual(self.server.execute("HGET", project, "s"), counted)

    async def test_read(self) -> None:
        """
        A topic that is only read leaves nothing for ever at the server.
        """
        self.assertEqual(await self.page(), [])
        self.assertGreater(self.server.execute("PTTL", Keys().valuesOf(TOPIC)[2]), 0)

    async def test_reserved(self) -> None:
        """
        While a publication is being kept, no other one on its key goes before it.
        """
        first = publication("a", 1, Condition(None))
        tag = keptTag(TOPIC, "m1")
        self.assertTrue(await self.values[0].reserve(first, tag))
        other = publication("a", 2, Condition(None))
        self.assertFalse(await self.values[1].reserve(other, keptTag(TOPIC, "m2")))
        waiting = self.publish(1, other)
        await self.publish(0, publication("a", 1, None, 5), tag)
        with self.assertRaises(Unplaced):
            await waiting
        with self.assertRaises(RealtimeError) as caught:
            await self.values[1].reserve(other, keptTag(TOPIC, "m2"))
        self.assertEqual(caught.exception.code, "stale")
        self.assertEqual(caught.exception.details["data"], b"1")

    async def test_released(self) -> None:
        """
        A publication that is not kept gives its key back.
        """
        first, tag = publication("a", 1), keptTag(TOPIC, "m1")
        self.assertTrue(await self.values[0].reserve(first, tag))
        waiting = self.publish(1, publication("a", 2))
        await self.values[0].release(first, tag)
        await waiting
        self.assertEqual([value.data for value in await self.page()], [b"2"])

    async def test_abandoned(self) -> None:
        """
        A node is killed between the commit of a value and its place in the log.  When its
        reservation is over, the value counts: no other publication goes by the one before it.
        """
        self.kept = [publication("a", 1, None, 3)]
        [before] = await self.page()
        self.patch(keyed, "RESERVED", 0.001)
        for number, data in enumerate((2, 3)):
            tag = keptTag(TOPIC, f"m{number}")
            lost = publication("a", data)
            self.assertTrue(await self.values[0].reserve(lost, tag))
            self.kept = [publication("a", data, None, 5 + number)]
            other = publication("a", 9, Condition(str(before.place)))
            await self.untilOver(tag)
            if number:
                with self.assertRaises(Unplaced):
                    await self.publish(1, other)
            else:
                with self.assertRaises(RealtimeError) as caught:
                    await self.values[1].reserve(other, keptTag(TOPIC, "other"))
                self.assertEqual(caught.exception.code, "stale")
            self.assertEqual([value.data for value in await self.page(1)], [b"%d" % data])

    async def untilOver(self, tag: str, key: str = "a") -> None:
        """
        Wait until the time of the reservation of a key is over.
        """
        lock = self.server.execute("HGET", Keys().valuesOf(TOPIC)[2], f"l:{key}").decode()
        holder, until = lock.split()
        self.assertEqual(holder, tag)

        def now() -> int:
            seconds, micros = self.server.execute("TIME")
            return int(seconds) * 1000 + int(micros) // 1000

        await self.until(lambda: now() >= int(until))

    async def test_overtaken(self) -> None:
        """
        A comparison whose answer of the database comes late, when another reservation has run out,
        takes back nothing that was kept meanwhile.
        """
        self.kept = [publication("a", 1, None, 3)]
        await self.page()
        self.patch(keyed, "RESERVED", 0.001)
        tags = [keptTag(TOPIC, f"lost{number}") for number in range(2)]
        for key, tag in zip("ab", tags, strict=True):
            self.assertTrue(await self.values[0].reserve(publication(key, 2), tag))
            await self.untilOver(tag, key)
        self.patch(keyed, "RESERVED", 60.0)
        late: Deferred[list[Publication]] = Deferred()
        asked: list[str] = []

        def readLate(topic: str) -> Deferred[list[Publication]]:
            asked.append(topic)
            return late

        read = self.values[0]._readKept
        self.values[0]._readKept = readLate
        first = self.values[0].reserve(publication("a", 3), keptTag(TOPIC, "first"))
        await self.until(lambda: asked)
        # The other node compares the values, and keeps another one.
        self.assertEqual([value.key for value in await self.page(1)], ["a"])
        before = list(self.kept)
        await self.publish(1, publication("c", 1, None, 5))
        self.kept.append(publication("c", 1, None, 5))
        # That the second reservation has run out is found by a script alone.
        answer = await self.links[self.nodes[1].log].run(
            keyedscripts.RESERVE,
            self.values[1]._scripted(TOPIC),
            [b"b", b"2", b"", b"tag", b"60000", *self.values[1].boundsOf(TOPIC)],
        )
        self.assertEqual(answer, b"l")
        self.values[0]._readKept = read
        late.callback(before)
        self.assertTrue(await first)
        self.assertEqual([value.key for value in await self.page(1)], ["a", "c"])

    async def test_late(self) -> None:
        """
        What was kept before another publication reserved its key goes before that one, and leaves
        it the key.
        """
        self.assertTrue(await self.values[0].reserve(publication("a", 2), keptTag(TOPIC, "m2")))
        await self.publish(1, publication("a", 1, None, 5), keptTag(TOPIC, "m1"))
        self.assertFalse(await self.values[1].reserve(publication("a", 3), keptTag(TOPIC, "m3")))
        await self.publish(0, publication("a", 2, None, 6), keptTag(TOPIC, "m2"))
        self.assertTrue(await self.values[1].reserve(publication("a", 3), keptTag(TOPIC, "m3")))

    async def test_staysKept(self) -> None:
        """
        What follows a kept value has to be kept.
        """
        await self.publish(0, publication("a", 1, None, 5))
        for data in (2, "null"):
            with self.assertRaises(Unplaced) as caught:
                await self.publish(1, publication("a", data))
            self.assertFalse(caught.exception.isStale)

    async def test_merged(self) -> None:
        """
        When a log begins, the kept values are those of the database; the others stay.
        """
        self.kept = [publication("a", 1, None, 3), publication("b", 1, None, 4)]
        self.assertEqual([v.key for v in await self.page()], ["a", "b"])
        await self.publish(0, publication("c", 1))
        await self.publish(1, publication("d", 1, None, 9))
        # The server comes back older, and the log is made anew.
        self.server.execute("DEL", Keys().metaOf(TOPIC))
        self.kept = [publication("b", 2, None, 7), publication("e", 1, None, 8)]
        found = await self.page(1)
        self.assertEqual(
            sorted((v.key, v.data, v.kept) for v in found),
            [("b", b"2", True), ("c", b"1", False), ("e", b"1", True)],
        )
        place = next(v.place for v in found if v.key == "b")
        self.assertEqual((place.offset, place.mark), (None, 7))
        await self.publish(0, publication("c", 2, Condition(str(found[0].place))))
        back = publication("b", 3, Condition(str(Position("x", None, 7, seen=True))))
        self.assertTrue(await self.values[0].reserve(back, keptTag(TOPIC, "m3")))

    async def test_lost(self) -> None:
        """
        Values that only the server had are gone with it; those of the database are there again.
        """
        self.kept = [publication("a", 1, None, 3)]
        await self.publish(0, publication("b", 1))
        self.server.execute("FLUSHALL")
        self.assertEqual([v.key for v in await self.page(1)], ["a"])
