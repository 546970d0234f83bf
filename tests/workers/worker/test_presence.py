"""
Tests for L{aerostack.workers.worker.presence}.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.presence import Presence, Tracked
from aerostack.errors import RealtimeError
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.publishing import IReceiver
from aerostack.interfaces.roster import IRoster
from aerostack.workers.worker.presence import PresentLogs, PresentReceiver, RosterReplica
from tests.workers.linked import code, outcome
from tests.workers.members import GRACE, MemberMachine, Source, plain

ROOM = "chat/room/p"


class AttachTests(SynchronousTestCase):
    """
    Tests for L{PresentLogs}.
    """

    def setUp(self) -> None:
        self.machine = MemberMachine()
        self.roster, self.other = self.machine.rosters
        self.logs = self.machine.logs[1]
        self.replica = self.machine.sources[1].replica

    def track(self, count: int = 1) -> None:
        """
        Let connections of the first worker be present.
        """
        for n in range(count):
            self.roster.track(ROOM, f"c{n}", f"u{n}", b'"%s"' % (b"x" * 1000))
        self.machine.settle()

    def test_members(self) -> None:
        """
        When a topic is attached, all of its members are here, in their order, however many.
        """
        self.track(300)
        attached = self.logs.attach(ROOM)
        self.assertNoResult(attached)
        self.machine.settle()
        self.successResultOf(attached)
        self.assertEqual(
            [m.connectionId for m in self.replica.members(ROOM)], [f"c{n}" for n in range(300)]
        )

    def test_detached(self) -> None:
        """
        A topic that is detached before the answer has no members, and one that is attached again
        has those of the second answer.
        """
        self.track()
        first = self.logs.attach(ROOM)
        self.logs.detach(ROOM)
        self.machine.settle()
        self.assertEqual(self.replica.count(ROOM), 0)
        self.roster.leave("c0")
        self.other.track(ROOM, "d0", "bob", b"1")
        self.machine.settle()
        self.logs.attach(ROOM)
        self.logs.detach(ROOM)
        self.other.leave("d0")
        again = self.logs.attach(ROOM)
        self.machine.settle()
        self.successResultOf(again)
        self.assertEqual(self.replica.count(ROOM), 0)
        self.successResultOf(first)

    def test_refused(self) -> None:
        """
        A topic that cannot be attached has no members.
        """
        failed: list[Deferred[None]] = []

        class Refusing(Source):
            def attach(self, topic: str) -> Deferred[None]:
                failed.append(Deferred())
                return failed[-1]

        channel = self.machine.linked.workers[0].channel
        replica = RosterReplica()
        logs = PresentLogs(Refusing(channel, self.machine.sender), replica)
        attached = logs.attach(ROOM)
        failed[0].errback(RealtimeError("engine_unavailable", "no", 1))
        self.failureResultOf(attached, RealtimeError)
        self.assertEqual(replica.count(ROOM), 0)

    def test_provides(self) -> None:
        """
        The parts of a worker implement their contracts.
        """
        verifyObject(ILogSource, self.logs)
        verifyObject(IRoster, self.roster)
        verifyObject(IReceiver, PresentReceiver(self.replica, self.machine.sources[0]))


class RemoteTests(SynchronousTestCase):
    """
    Tests for L{RemoteRoster}.
    """

    def setUp(self) -> None:
        self.machine = MemberMachine()
        self.a, self.b = self.machine.rosters
        for logs in self.machine.logs:
            logs.attach(ROOM)
        self.machine.settle()

    def test_here(self) -> None:
        """
        When a connection is present, the members here contain it, and those of the other worker do
        too when it has heard of it.
        """
        replica = self.machine.sources[0].replica
        counts: list[int] = []
        self.a.track(ROOM, "c1", "ann", b"1").addCallback(
            lambda tracked: counts.append(replica.count(ROOM))
        )
        self.assertEqual(self.a.topicsOf("c1"), (ROOM,))
        self.machine.settle()
        self.assertEqual(counts, [1])
        self.assertEqual(self.machine.sources[1].replica.count(ROOM), 1)
        self.a.untrack(ROOM, "c1")
        self.assertEqual(self.a.topicsOf("c1"), ())
        self.machine.settle()
        self.assertEqual(self.machine.sources[1].replica.count(ROOM), 0)

    def test_late(self) -> None:
        """
        A connection is present only when its member is here, also if the answer comes before.
        """
        waiting: list[Any] = []
        publish = self.machine.sender.publishPresence
        self.machine.sender.publishPresence = (  # type: ignore[method-assign]
            lambda *args: waiting.append(args)
        )
        tracked = outcome(self.a.track(ROOM, "c1", "ann", b"1"))
        self.machine.settle()
        self.assertEqual(tracked, [])
        publish(*waiting[0])
        self.machine.settle()
        self.assertTrue(tracked[0].joined)

    def test_refused(self) -> None:
        """
        A refusal of the hub comes with its code, and changes nothing.
        """
        refused = outcome(self.a.track(ROOM, "c1", "ann", b"x" * 100, None, 50))
        self.machine.settle()
        self.assertEqual(code(refused), "too_large")
        self.assertEqual(self.a.topicsOf("c1"), ())
        self.assertEqual(self.machine.members.count(ROOM), 0)

    def test_bounded(self) -> None:
        """
        States that wait for the hub are bounded in bytes.
        """
        results = [
            outcome(self.a.track(ROOM, f"c{n}", None, b'"%s"' % (b"x" * 1_000_000)))
            for n in range(10)
        ]
        self.assertEqual([code(each) for each in results if each], ["overloaded"] * 2)
        self.machine.settle()
        self.assertEqual(sum(isinstance(each[0], Tracked) for each in results), 8)
        self.assertEqual(self.a.topicsOf("c9"), ())

    def test_gone(self) -> None:
        """
        If the hub is gone, nothing can be tracked.
        """
        refused = outcome(self.a.track(ROOM, "c1", None, b"1"))
        self.machine.linked.kill(0)
        self.machine.settle()
        self.assertEqual(code(refused), "engine_unavailable")

    def test_takenOver(self) -> None:
        """
        A member that its client takes over at another worker keeps its name, and nobody hears of
        it.
        """
        self.a.track(ROOM, "c1", "ann", b"1")
        self.machine.settle()
        self.a.lose("c1")
        heard = len(self.machine.sources[1].heard)
        self.machine.settle()
        tracked = outcome(self.b.track(ROOM, "c2", "ann", b"1"))
        self.machine.settle()
        self.assertEqual(len(self.machine.sources[1].heard), heard)
        self.assertEqual(tracked[0].member.connectionId, "c1")
        self.assertFalse(tracked[0].joined)
        self.assertTrue(tracked[0].fresh)
        self.machine.clock.advance(GRACE + 1)
        self.machine.sweep()
        self.assertEqual(self.machine.members.count(ROOM), 1)

    @settings(max_examples=60, deadline=None)
    @given(st.randoms(use_true_random=False))
    def test_model(self, random: Random) -> None:
        """
        Whatever connections do at two workers, each hears what one process would publish, and the
        members at a worker are at each moment those that the hub had.
        """
        machine = MemberMachine()
        model = MemberMachine(0)
        topics = [ROOM, "chat/other/p"]
        attached = [dict.fromkeys(topics, False) for _ in range(2)]
        # A connection that was lost does not come again, but its client does with another.
        names = [f"c{n}" for n in range(6)]
        users: dict[str, str | None] = {}
        for _ in range(random.randint(1, 30)):
            at = random.randrange(2)
            chosen = 3 * at + random.randrange(3)
            connectionId = names[chosen]
            # Another user is another presence: the session leaves before.
            user = users.setdefault(connectionId, random.choice(["ann", "bob", None]))
            topic = random.choice(topics)
            client = "x" if user is None and chosen % 2 else None
            roster = machine.rosters[at]
            match random.randrange(8):
                case 0 | 1 | 2:
                    state = b"%d" % random.randrange(3)
                    most = random.choice([None, 1])
                    got = outcome(roster.track(topic, connectionId, user, state, client, most))
                    machine.settle()
                    expected = outcome(
                        model.authority.track(topic, connectionId, user, state, client, most)
                    )
                    if isinstance(expected[0], Tracked):
                        self.assertEqual(plain([got[0].member]), plain([expected[0].member]))
                        self.assertEqual(got[0].fresh, expected[0].fresh)
                    else:
                        self.assertEqual(code(got), code(expected))
                case 3:
                    roster.untrack(topic, connectionId)
                    model.authority.untrack(topic, connectionId)
                case 4:
                    roster.leave(connectionId)
                    model.authority.leave(connectionId)
                case 5:
                    roster.lose(connectionId)
                    model.authority.lose(connectionId)
                    names[chosen] += "'"
                case 6:
                    logs, isAttached = machine.logs[at], attached[at]
                    (logs.detach if isAttached[topic] else logs.attach)(topic)
                    isAttached[topic] = not isAttached[topic]
                case 7:
                    machine.settle()
                    for each in (machine, model):
                        each.clock.advance(GRACE / 2)
                        each.sweep()
            if random.random() < 0.8:
                machine.settle()
            self.assertEqual(
                set(roster.topicsOf(connectionId)), set(model.authority.topicsOf(connectionId))
            )
            # Others must not overtake what has no answer.
            machine.settle()
        for topic in topics:
            members = plain(model.members.members(topic))
            self.assertEqual(plain(machine.members.members(topic)), members)
            for source, held in zip(machine.sources, attached, strict=True):
                here = list(source.replica.members(topic))
                self.assertEqual(here, members if held[topic] else [])
        for source in machine.sources:
            self.assertEqual(source.faults, [])

    @settings(max_examples=60, deadline=None)
    @given(st.randoms(use_true_random=False))
    def test_race(self, random: Random) -> None:
        """
        A topic that is attached while members come and go, with bytes on their way in both
        directions, has at each moment the members that the hub had.
        """
        machine = MemberMachine()
        isAttached = [False, False]
        for _ in range(random.randint(1, 40)):
            at = random.randrange(2)
            connectionId = f"c{at}{random.randrange(4)}"
            match random.randrange(5):
                case 0 | 1:
                    machine.rosters[at].track(
                        ROOM, connectionId, "ann", b"%d" % random.randrange(9)
                    )
                case 2:
                    machine.rosters[at].untrack(ROOM, connectionId)
                case 3:
                    logs = machine.logs[at]
                    (logs.detach if isAttached[at] else logs.attach)(ROOM)
                    isAttached[at] = not isAttached[at]
                case 4:
                    machine.clock.advance(0)
        machine.settle()
        for source, held in zip(machine.sources, isAttached, strict=True):
            self.assertEqual(source.faults, [])
            expected = plain(machine.members.members(ROOM)) if held else []
            self.assertEqual(list(source.replica.members(ROOM)), expected)


class MemberTests(SynchronousTestCase):
    """
    Tests that the replica is read as the authority is.
    """

    def test_same(self) -> None:
        """
        The replica has what L{Presence} has for readers.
        """
        for name in ("roster", "members", "topics", "count"):
            self.assertTrue(hasattr(Presence, name) and hasattr(RosterReplica, name), name)
