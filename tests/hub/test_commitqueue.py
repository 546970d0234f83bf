"""
Tests for L{aerostack.hub.commitqueue}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import EVENT, EmittedMark, Message, Publication, Receipt
from aerostack.engine.memory import MemoryEngine
from aerostack.errors import RealtimeError
from aerostack.hub.commitqueue import CommitQueues
from aerostack.testing import MemoryHistory


class Courses:
    """
    An L{CommitQueues}, and what came through it to the engine.
    """

    def __init__(self) -> None:
        self.history = MemoryHistory()
        self.history.held = []
        self.through: list[tuple[str, str]] = []
        self.engine = MemoryEngine()
        self.engine.start(lambda p: self.through.append((p.topic, p.event)))
        self.order = CommitQueues(self.history, self.engine)

    def enter(
        self, event: str, keep: bool, topic: str = "a", emitted: EmittedMark | None = None
    ) -> Deferred[Receipt | None]:
        """
        Publish something.
        """
        publication = Publication(topic, EVENT, event, b"1", None, 1000)
        message = None
        if keep:
            message = Message(event, topic, EVENT, event, b"1", None, 1000, emitted=emitted)
        return maybeDeferred(self.order.enter, publication, message)

    def settle(self, count: int, fails: bool = False) -> None:
        """
        Keep, or lose, what was held for longest.
        """
        held = self.history.held or []
        self.history.held, rest = held[:count], held[count:]
        if fails:
            self.history.refuse()
        else:
            self.history.release()
        self.history.held = rest


class CommitQueuesTests(SynchronousTestCase):
    """
    Tests for L{CommitQueues}.
    """

    def setUp(self) -> None:
        self.courses = Courses()

    def test_straightThrough(self) -> None:
        """
        A publication that is not kept goes on at once, without a L{Deferred}, if nothing waits
        before it.
        """
        self.assertIsNone(
            self.courses.order.enter(Publication("a", EVENT, "e", b"1", None, 1), None)
        )
        self.assertEqual(self.courses.through, [("a", "e")])
        self.assertNotIn("a", self.courses.order)

    def test_behindKept(self) -> None:
        """
        A publication behind a message that is being kept waits for it; other topics do not.
        """
        kept = self.courses.enter("kept", True)
        after = self.courses.enter("after", False)
        self.courses.enter("else", False, "b")
        self.assertEqual(self.courses.through, [("b", "else")])
        self.assertNoResult(after)
        self.assertIn("a", self.courses.order)
        self.courses.settle(1)
        self.assertEqual(self.courses.through[1:], [("a", "kept"), ("a", "after")])
        result = self.successResultOf(kept)
        assert result is not None
        self.assertEqual(result.createdAt, 1000)
        self.assertIsNone(self.successResultOf(after))
        self.assertNotIn("a", self.courses.order)

    def test_lost(self) -> None:
        """
        A message that could not be kept does not reach the engine, and what waited behind it goes
        on.
        """
        lost = self.courses.enter("lost", True)
        self.courses.enter("after", False)
        self.courses.settle(1, fails=True)
        self.assertEqual(self.failureResultOf(lost).value.code, "database_unavailable")
        self.assertEqual(self.courses.through, [("a", "after")])

    def test_emitted(self) -> None:
        """
        The publisher of a transaction's event hears of it only when the engine has it, or does not
        take it; the publisher of another message hears when it is kept.
        """
        placed: list[Deferred[None]] = []

        def place(*_: object) -> Deferred[None]:
            placed.append(Deferred())
            return placed[-1]

        self.courses.engine.publish = place  # type: ignore[method-assign, assignment]
        other = self.courses.enter("other", True)
        marks = [EmittedMark(number, f"k{number}") for number in (1, 2)]
        done = [self.courses.enter(mark.key, True, emitted=mark) for mark in marks]
        self.courses.settle(3)
        self.assertIsNotNone(self.successResultOf(other))
        self.assertNoResult(done[0])
        placed[1].callback(None)
        receipt = self.successResultOf(done[0])
        self.assertEqual(getattr(receipt, "id", None), "k1")
        self.assertNoResult(done[1])
        placed[2].errback(RealtimeError("engine_unavailable", "It is gone.", 1000))
        self.assertEqual(self.failureResultOf(done[1]).value.code, "engine_unavailable")

    def test_full(self) -> None:
        """
        Behind a database that hangs a bounded number of publications waits, and the rest is
        refused.
        """
        self.patch(CommitQueues, "maxWaiting", 3)
        self.courses.enter("kept", True)
        for _ in range(2):
            self.assertNoResult(self.courses.enter("e", False))
        error = self.failureResultOf(self.courses.enter("e", False)).value
        assert isinstance(error, RealtimeError)
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertNoResult(self.courses.enter("e", True, "b"))

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("enter"), st.sampled_from("ab"), st.booleans()),
                st.tuples(st.just("settle"), st.integers(1, 4), st.booleans()),
            ),
            max_size=40,
        )
    )
    def test_order(self, steps: list[tuple[str, object, bool]]) -> None:
        """
        However long the database takes, each topic's publications reach the engine in the order in
        which they came, without those that were lost.
        """
        courses = Courses()
        entered: list[tuple[str, str, Deferred[bool]]] = []
        for number, (step, which, flag) in enumerate(steps):
            if step == "enter":
                done = courses.enter(str(number), flag, str(which))
                entered.append((str(which), str(number), done.addCallbacks(_true, _false)))
            else:
                courses.settle(int(str(which)), fails=flag)
        courses.history.release()
        for topic in "ab":
            wanted = [e for t, e, done in entered if t == topic and self.successResultOf(done)]
            self.assertEqual([e for t, e in courses.through if t == topic], wanted)


def _true(_: object) -> bool:
    return True


def _false(_: object) -> bool:
    return False
