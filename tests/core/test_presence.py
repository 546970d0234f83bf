"""
Tests for L{aerostack.core.presence}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Left, Presence, Tracked

GRACE = 10.0
START = 1_000_000_000

TOPICS = ("chat/a/p", "chat/b/p")
topics = st.sampled_from(TOPICS)
states = st.sampled_from([b"{}", b'{"x":1}', b'{"x":2}'])


class PresenceTests(SynchronousTestCase):
    """
    Tests for L{Presence}.
    """

    def setUp(self) -> None:
        self.presence = Presence(GRACE)

    def track(self, connectionId: str, userId: str | None = "ann", **changes: Any) -> Tracked:
        found = {"topic": "chat/a/p", "state": b"{}", "now": START, **changes}
        return self.presence.track(
            found["topic"], connectionId, userId, found["state"], found["now"]
        )

    def present(self, topic: str = "chat/a/p") -> list[str]:
        return [member.connectionId for member in self.presence.members(topic)]

    def test_join(self) -> None:
        """
        The first C{track} of a connection is a join.  The client does not have the list of members
        yet.
        """
        tracked = self.track("c1")
        self.assertEqual((tracked.joined, tracked.updated, tracked.fresh), (True, False, True))
        member = tracked.member
        self.assertEqual(
            (member.connectionId, member.userId, member.state, member.since),
            ("c1", "ann", b"{}", START),
        )
        self.assertEqual(list(self.presence.members("chat/a/p")), [member])

    def test_counts(self) -> None:
        """
        The topics with members, and the number of their members, can be read.  A topic without
        members is not among them.
        """
        self.track("c1")
        self.track("c2", "ben")
        self.track("c1", topic="chat/b/p")
        self.assertEqual(set(self.presence.topics()), {"chat/a/p", "chat/b/p"})
        self.assertEqual([self.presence.count(f"chat/{name}/p") for name in "abc"], [2, 1, 0])
        self.presence.leave("c1")
        self.assertEqual(set(self.presence.topics()), {"chat/a/p"})

    def test_update(self) -> None:
        """
        A second C{track} is an update, not a leave and a join.  The member keeps its time.
        """
        self.track("c1")
        tracked = self.track("c1", state=b"[]", now=START + 5)
        self.assertEqual((tracked.joined, tracked.updated, tracked.fresh), (False, True, False))
        self.assertEqual((tracked.member.state, tracked.member.since), (b"[]", START))

    def test_same(self) -> None:
        """
        A C{track} with the same state is no update.
        """
        self.track("c1")
        self.assertFalse(self.track("c1").updated)

    def test_twoTabs(self) -> None:
        """
        Two tabs of one user are two members, and each leaves on its own.
        """
        self.track("c1")
        self.assertTrue(self.track("c2").joined)
        self.assertEqual(self.present(), ["c1", "c2"])
        self.presence.leave("c1")
        self.assertEqual(self.present(), ["c2"])

    def test_leave(self) -> None:
        """
        A clean close leaves every topic at once.
        """
        first = self.track("c1").member
        second = self.track("c1", topic="chat/b/p").member
        self.assertEqual(
            self.presence.leave("c1"), [Left("chat/a/p", first), Left("chat/b/p", second)]
        )
        self.assertEqual(self.present() + self.present("chat/b/p"), [])
        self.assertEqual(self.presence.leave("c1"), [])

    def test_untrack(self) -> None:
        """
        C{untrack} ends one topic's presence, and only once.
        """
        member = self.track("c1").member
        self.track("c1", topic="chat/b/p")
        self.assertEqual(self.presence.untrack("chat/a/p", "c1"), member)
        self.assertIsNone(self.presence.untrack("chat/a/p", "c1"))
        self.assertIsNone(self.presence.untrack("chat/a/p", "nobody"))
        self.assertEqual(list(self.presence.topicsOf("c1")), ["chat/b/p"])

    def test_untrackLast(self) -> None:
        """
        A connection that has untracked everything leaves nothing behind.
        """
        self.track("c1")
        self.presence.untrack("chat/a/p", "c1")
        self.assertEqual(vars(self.presence), vars(Presence(GRACE)))

    def test_grace(self) -> None:
        """
        A member whose connection broke stays until the grace is over, and then leaves.
        """
        member = self.track("c1").member
        self.presence.lose("c1", START)
        self.assertEqual(self.presence.expire(START + GRACE - 0.001), [])
        self.assertEqual(self.present(), ["c1"])
        self.assertEqual(self.presence.expire(START + GRACE), [Left("chat/a/p", member)])
        self.assertEqual(self.present(), [])
        self.assertEqual(self.presence.expire(START + GRACE * 2), [])

    def test_takeOver(self) -> None:
        """
        The same user on a new connection takes the member over: it neither joins nor
        leaves, and keeps its name and its time.
        """
        self.track("c1")
        self.presence.lose("c1", START)
        tracked = self.track("c2", now=START + 3000)
        self.assertEqual((tracked.joined, tracked.updated, tracked.fresh), (False, False, True))
        self.assertEqual((tracked.member.connectionId, tracked.member.since), ("c1", START))
        self.assertEqual(self.presence.expire(START + 1000), [])
        self.assertEqual(self.present(), ["c1"])
        self.assertEqual([left.member.connectionId for left in self.presence.leave("c2")], ["c1"])

    def test_takeOverNews(self) -> None:
        """
        A user who comes back with a new state is an update.
        """
        self.track("c1")
        self.presence.lose("c1", START)
        self.assertTrue(self.track("c2", state=b"[]").updated)

    def test_takeOverTwice(self) -> None:
        """
        A member may be lost and taken over again and again, with a whole grace each time.
        """
        self.track("c0")
        for number in range(5):
            now = START + number * 9
            self.presence.lose(f"c{number}", now)
            self.assertEqual(self.presence.expire(now + 9), [])
            self.assertFalse(self.track(f"c{number + 1}").joined)
        self.assertEqual(self.present(), ["c0"])
        self.presence.lose("c5", START + 100)
        self.assertEqual(self.presence.expire(START + 109), [])
        self.assertEqual(len(self.presence.expire(START + 110)), 1)

    def test_takeOverOnlyOwn(self) -> None:
        """
        A user does not take over another user's member, a member of another topic, or the member of
        a user without a name.
        """
        self.track("c1")
        self.track("c2", userId=None)
        self.presence.lose("c1", START)
        self.presence.lose("c2", START)
        for connectionId, changes in (
            ("c3", {"userId": "bob"}),
            ("c4", {"userId": None}),
            ("c5", {"topic": "chat/b/p"}),
        ):
            self.assertTrue(self.track(connectionId, **changes).joined)
        self.assertEqual(len(self.presence.expire(START + GRACE)), 2)

    def test_takeOverOnlyLost(self) -> None:
        """
        A new tab takes over the member of a lost connection, not that of a connection that lives.
        """
        self.track("c1")
        self.track("c2")
        self.presence.lose("c2", START)
        self.assertEqual(self.track("c3").member.connectionId, "c2")
        self.assertTrue(self.track("c4").joined)
        self.assertEqual(self.present(), ["c1", "c2", "c4"])

    def test_together(self) -> None:
        """
        When all tabs of a user are lost and come back, each takes a member over.  The member that
        was lost first is the first.
        """
        for number in range(3):
            self.track(f"c{number}")
        for number in (1, 0, 2):
            self.presence.lose(f"c{number}", START)
        found = [self.track(f"d{number}").member.connectionId for number in range(3)]
        self.assertEqual(found, ["c1", "c0", "c2"])

    def test_noGrace(self) -> None:
        """
        A grace of zero ends at the next check.
        """
        presence = Presence(0)
        presence.track("chat/a/p", "c1", "ann", b"{}", START)
        presence.lose("c1", START)
        self.assertEqual(len(presence.expire(START)), 1)

    def test_loseNobody(self) -> None:
        """
        A lost connection that was present nowhere leaves nothing behind.
        """
        self.presence.lose("c1", START)
        self.assertEqual(vars(self.presence), vars(Presence(GRACE)))


@dataclass
class Seat:
    """
    One member in the model.

    @ivar holder: The connection that speaks for it, L{None} since that one was lost.
    """

    topic: str
    name: str
    userId: str | None
    state: bytes
    since: int
    holder: str | None
    until: float = 0.0


class PresenceMachine(RuleBasedStateMachine):
    """
    Compares L{Presence} with a list of seats and with an observer that only gets joins, updates and
    leaves.
    """

    connections = Bundle("connections")

    def __init__(self) -> None:
        super().__init__()
        self.presence = Presence(GRACE)
        self.now = float(START)
        self.count = 0
        self.seats: list[Seat] = []
        self.seen: dict[str, dict[str, tuple[str | None, bytes]]] = {topic: {} for topic in TOPICS}

    def hearLeft(self, gone: list[Left]) -> None:
        for left in gone:
            # A leave of a member that is not present would be a KeyError.
            seen = self.seen[left.topic].pop(left.member.connectionId)
            assert seen == (left.member.userId, left.member.state)

    def held(self, connection: tuple[str, str | None]) -> list[Seat]:
        return [seat for seat in self.seats if seat.holder == connection[0]]

    @rule(target=connections, userId=st.sampled_from(["ann", "bob", None]))
    def open(self, userId: str | None) -> tuple[str, str | None]:
        self.count += 1
        return f"c{self.count}", userId

    @rule(connection=connections, topic=topics, state=states)
    def track(self, connection: tuple[str, str | None], topic: str, state: bytes) -> None:
        name, userId = connection
        tracked = self.presence.track(topic, name, userId, state, int(self.now))
        member = tracked.member
        seen = self.seen[topic]
        assert tracked.joined == (member.connectionId not in seen)
        assert tracked.updated == (
            not tracked.joined and seen[member.connectionId] != (userId, state)
        )
        if tracked.joined or tracked.updated:
            seen[member.connectionId] = userId, state

        own = [seat for seat in self.held(connection) if seat.topic == topic]
        lost = sorted(
            (s for s in self.seats if (s.topic, s.userId, s.holder) == (topic, userId, None)),
            key=lambda seat: seat.until,
        )
        assert tracked.fresh == (not own)
        if own:
            seat = own[0]
        elif lost and userId is not None:
            seat = next(s for s in lost if s.name == member.connectionId)
            assert seat.until == lost[0].until
            seat.holder = name
        else:
            seat = Seat(topic, name, userId, state, int(self.now), name)
            self.seats.append(seat)
        seat.state = state
        assert (member.connectionId, member.since) == (seat.name, seat.since)

    @rule(connection=connections, topic=topics)
    def untrack(self, connection: tuple[str, str | None], topic: str) -> None:
        own = [seat for seat in self.held(connection) if seat.topic == topic]
        member = self.presence.untrack(topic, connection[0])
        assert (member is not None) == bool(own)
        if member is not None:
            assert member.connectionId == own[0].name
            self.seats.remove(own[0])
            self.hearLeft([Left(topic, member)])

    @rule(connection=consumes(connections))
    def leave(self, connection: tuple[str, str | None]) -> None:
        gone = self.presence.leave(connection[0])
        own = self.held(connection)
        assert {(left.topic, left.member.connectionId) for left in gone} == {
            (seat.topic, seat.name) for seat in own
        }
        self.seats = [seat for seat in self.seats if seat not in own]
        self.hearLeft(gone)

    @rule(connection=consumes(connections))
    def lose(self, connection: tuple[str, str | None]) -> None:
        for seat in self.held(connection):
            seat.holder, seat.until = None, self.now + GRACE
        self.presence.lose(connection[0], self.now)

    @rule(span=st.one_of(st.floats(0, 4), st.sampled_from([GRACE, 1000.0])))
    def expire(self, span: float) -> None:
        self.now += span
        gone = self.presence.expire(self.now)
        over = [seat for seat in self.seats if seat.holder is None and seat.until <= self.now]
        assert {(left.topic, left.member.connectionId) for left in gone} == {
            (seat.topic, seat.name) for seat in over
        }
        self.seats = [seat for seat in self.seats if seat not in over]
        self.hearLeft(gone)

    @rule(userId=st.sampled_from(["ann", "bob"]), project=st.sampled_from(["p", "q"]))
    def giveUp(self, userId: str, project: str) -> None:
        gone = self.presence.giveUp(project, userId)
        theirs = [
            seat
            for seat in self.seats
            if project == "p" and (seat.userId, seat.holder) == (userId, None)
        ]
        assert {(left.topic, left.member.connectionId) for left in gone} == {
            (seat.topic, seat.name) for seat in theirs
        }
        self.seats = [seat for seat in self.seats if seat not in theirs]
        self.hearLeft(gone)

    @invariant()
    def agree(self) -> None:
        for topic in TOPICS:
            members = list(self.presence.members(topic))
            assert self.seen[topic] == {m.connectionId: (m.userId, m.state) for m in members}
            assert [(m.connectionId, m.userId, m.state, m.since) for m in members] == [
                (s.name, s.userId, s.state, s.since) for s in self.seats if s.topic == topic
            ]
        for number in range(1, self.count + 1):
            name = f"c{number}"
            assert sorted(self.presence.topicsOf(name)) == sorted(
                seat.topic for seat in self.seats if seat.holder == name
            )

    def teardown(self) -> None:
        # Once everybody is gone and every grace is over, nothing may stay behind.
        for number in range(1, self.count + 1):
            self.presence.leave(f"c{number}")
        self.presence.expire(self.now + GRACE)
        assert vars(self.presence) == vars(Presence(GRACE))


class ObserverTests(SynchronousTestCase):
    """
    Tests of what an observer can know.
    """

    def test_model(self) -> None:
        """
        The joins, updates and leaves add up to exactly the members at any time, and no member
        leaves within the grace.
        """
        run_state_machine_as_test(PresenceMachine)
