"""
Tests for L{aerostack.engine.valkey.membersets}, against a real server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Member
from aerostack.engine.valkey.keys import SLOTS, Keys
from aerostack.engine.valkey.membersets import MemberSets
from aerostack.engine.valkey.rosterscripts import PAGE, VERSIONS
from aerostack.errors import RealtimeError
from tests.engine.rostercontract import TOPIC, RosterNode
from tests.engine.valkey.rosters import RosterCase

TRIES = 1_000
TOGETHER = 50


class RaceTests(RosterCase):
    """
    Topics are attached while their members change.
    """

    async def race(self, node: RosterNode, other: RosterNode, topic: str, random: Random) -> None:
        """
        Attach a topic at one node while another one has its members join, change and leave; then
        compare what the first knows with what happened.
        """
        await other.roster.attach(topic)
        asked: list[Deferred[object]] = []
        attached: list[Deferred[dict[str, Member]]] = []

        def first(_: None) -> dict[str, Member]:
            node.told = [each for each in node.told if each[0] != topic]
            return {member.connectionId: member for member in node.members.members(topic)}

        steps = random.randrange(2, 12)
        begin = random.randrange(steps)
        for step in range(steps):
            if step == begin:
                attached.append(node.roster.attach(topic).addCallback(first))
            name = f"{topic}{random.randrange(4)}".replace("/", "")
            if random.random() < 0.6:
                asked.append(other.track(name, name, b"%d" % step, topic))
            else:
                other.roster.untrack(topic, name)
        for each in asked:
            await each
        known = await attached[0]
        await self.settle()
        there = {member.connectionId: member for member in other.members.members(topic)}
        names = node.names(topic)
        self.assertEqual((len(names), set(names)), (len(there), set(there)))
        for name, event, member in node.told:
            if name == topic:
                self.assertEqual(event == "join", member.connectionId not in known)
                known[member.connectionId] = member
                if event == "leave":
                    del known[member.connectionId]
        self.assertEqual(known, there)
        for each in (node, other):
            each.roster.detach(topic)

    async def test_attach(self) -> None:
        """
        A set that is read while members join has no member twice, and misses no member.
        """
        node, other = await self.makeNodes()
        random = Random(22)
        for start in range(0, TRIES, TOGETHER):
            racing = [
                Deferred.fromCoroutine(self.race(node, other, f"chat/{number}/p", random))
                for number in range(start, start + TOGETHER)
            ]
            for each in racing:
                await each

    async def test_large(self) -> None:
        """
        A set of many pages that changes while it is read is read as it is in the end, in the order
        in which its members joined.
        """
        (other,) = await self.makeNodes(1)
        node = self.node()
        await self.until(lambda: self.isUp(node))
        for each in [other.track(f"c{number}", f"u{number}") for number in range(1_500)]:
            await each
        attached = node.roster.attach(TOPIC)
        for number in range(0, 1_500, 3):
            other.roster.leave(f"c{number}")
        tracking = [other.track(f"d{number}", f"u{number}") for number in range(200)]
        for each in tracking:
            await each
        await attached
        await self.settle()
        await self.until(lambda: node.names() == other.names())
        self.assertEqual(len(node.names()), 1_200)


class AttachTests(RosterCase):
    """
    Topics are attached and detached.
    """

    async def test_detached(self) -> None:
        """
        A topic that is detached before its set is there is not attached, and can be attached again.
        """
        node, other = await self.makeNodes()
        topic = "chat/x/p"
        await other.track("c1", topic=topic)
        waiting = node.roster.attach(topic)
        node.roster.detach(topic)
        await self.assertFailure(waiting, CancelledError)
        await node.roster.attach(topic)
        self.assertEqual(node.names(topic), ["c1"])
        node.roster.detach(topic)
        other.roster.leave("c1")
        await self.settle()
        self.assertEqual((node.names(topic), node.events(topic)), ([], []))

    async def test_away(self) -> None:
        """
        An attach fails when the server does not answer in time.
        """
        self.server.kill()
        node = self.node(patience=0.2)
        error = await self.assertFailure(node.roster.attach(TOPIC), RealtimeError)
        self.assertEqual(error.code, "engine_unavailable")
        self.server.start()
        self.authorities[node].rosters._patience = 600.0
        await node.roster.attach(TOPIC)

    async def test_notPermitted(self) -> None:
        """
        A topic whose channel the server does not permit cannot be attached; others can.
        """
        self.server.execute("ACL", "SETUSER", "default", "resetchannels", "&own:*", "&*:e:chat/a/p")
        node = self.node()
        refused, attached = node.roster.attach("chat/no/p"), node.roster.attach(TOPIC)
        await attached
        error = await self.assertFailure(refused, RealtimeError)
        self.assertEqual(error.code, "engine_unavailable")
        await node.track("c1")
        self.assertEqual(node.names(), ["c1"])

    async def test_compared(self) -> None:
        """
        A topic is attached only when its channel is subscribed to, also if versions are compared
        meanwhile.
        """
        (node,) = await self.makeNodes(1)
        for number in range(20):
            topic = f"chat/{number}/q"
            attached = node.roster.attach(topic)
            Deferred.fromCoroutine(node.members.compare())
            await attached
            channel = Keys().memberChannelOf(topic)
            self.assertEqual(self.server.execute("PUBSUB", "NUMSUB", channel), [channel, 1])

    async def test_repaired(self) -> None:
        """
        A change that was never pushed is found when versions are compared, and subscribers get
        only the difference.
        """
        node, other = await self.makeNodes()
        await other.track("c1")
        await other.track("c2", "bob")
        await self.settle()
        (key,) = self.server.execute("KEYS", "ar1:{*}:p:" + TOPIC)
        order = key.replace(b":p:", b":j:")
        self.server.execute("HDEL", key, "c1")
        self.server.execute("ZREM", order, "c1")
        epoch, number = self.server.execute("HGET", key, "#").split()
        self.server.execute("HSET", key, "#", b"%b %d" % (epoch, int(number) + 1))
        await node.members.compare()
        await self.until(lambda: node.names() == ["c2"])
        self.assertEqual([event for event, _, _ in node.events()], ["join", "join", "leave"])


class LateTests(RosterCase):
    """
    Topics that have subscribers before their set is there.
    """

    async def test_told(self) -> None:
        """
        Subscribers get each member that comes, and each change.
        """
        node, other = self.node(), self.node()
        await other.roster.attach(TOPIC)
        for number in range(3):
            await other.track(f"c{number}")
        await node.roster.attach(TOPIC, isLate=True)
        other.roster.leave("c1")
        await self.settle()
        joins = [("join", f"c{number}", b"{}") for number in range(3)]
        self.assertEqual(node.events(), [*joins, ("leave", "c1", b"{}")])

    async def test_dropped(self) -> None:
        """
        If a set cannot be had, subscribers that have seen a member of it see it leave.
        """
        self.server.kill()
        node = self.node(patience=0.2)
        attached = node.roster.attach(TOPIC, isLate=True)
        node.members.have(TOPIC, Member("c1", "ann", b"{}", 1))
        await self.assertFailure(attached, RealtimeError)
        self.assertEqual(node.events(), [("join", "c1", b"{}"), ("leave", "c1", b"{}")])
        self.server.start()


class CountingLink:
    """
    A link whose server has sets with given versions, and no members in any.

    @ivar scripts: The scripts that were run.
    """

    def __init__(self, versions: Mapping[bytes, bytes]) -> None:
        self.scripts: list[str] = []
        self._versions = versions

    def subscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        return succeed(None)

    def run(self, script: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> Deferred[Any]:
        self.scripts.append(script)
        if script == VERSIONS:
            return succeed([self._versions.get(key, b"") for key in keys])
        return succeed([self._versions.get(keys[0], b""), b"0"])


class EmptyTests(SynchronousTestCase):
    """
    Topics without members.
    """

    def test_empty(self) -> None:
        """
        Only sets that may have members are read, after an attach and after a reconnect.
        """
        keys, clock = Keys(), Clock()
        names = [f"chat/{number}/p" for number in range(100)]
        link = CountingLink({keys.membersOf(names[7]): b"e 3"})
        sets = MemberSets(clock, cast(Any, link), keys, lambda *told: None, lambda: None, 3.0)
        sets.up()
        attached = [sets.attach(name) for name in names]
        clock.advance(0)
        for each in attached:
            self.successResultOf(each)
        self.assertEqual(link.scripts.count(PAGE), 1)
        sets.down()
        sets.up()
        self.assertEqual(link.scripts.count(PAGE), 2)
        self.assertTrue(link.scripts.count(VERSIONS) <= 2 * SLOTS)
