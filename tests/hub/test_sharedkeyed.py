"""
Tests for L{aerostack.hub.sharedkeyed}, without an engine.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.keyed.values import Condition, Unplaced, Value
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication, Receipt
from aerostack.core.replay.tags import keptTag
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.errors import RealtimeError
from aerostack.hub.sharedkeyed import PATIENCE, PAUSE, SharedGate

TOPIC = "state/a/p"


def publication(key: str = "a", data: bytes = b"1") -> Publication:
    """
    A value to publish.
    """
    return Publication(TOPIC, EVENT, "e", data, None, 1, key=key)


class HeldValues:
    """
    The values of an engine that answers when the test says so.

    @ivar asked: What waits for its reservation.
    @ivar released: The tags that were given back.
    @ivar found: What a page has.
    """

    def __init__(self) -> None:
        self.asked: list[Deferred[bool]] = []
        self.released: list[str] = []
        self.found: list[Value] = []
        self.isDown = False

    def reserve(self, publication: Publication, tag: str) -> Deferred[bool]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def release(self, publication: Publication, tag: str) -> Deferred[None]:
        self.released.append(tag)
        return succeed(None)

    def stale(self, publication: Publication) -> Deferred[RealtimeError]:
        return succeed(RealtimeError("stale", "It is another value."))

    def page(self, topic: str, after: int, limit: int, size: int) -> Deferred[list[Value]]:
        if self.isDown:
            return fail(RealtimeError("engine_unavailable", "The engine does not answer.", 1000))
        return succeed(self.found)


class SharedGateTests(SynchronousTestCase):
    """
    Publications on one topic.

    @ivar placed: The keys of what got its place, and whether to keep it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.values = HeldValues()
        self.policy = KeyedPolicy(ttl=10.0)
        ids = iter(range(100))
        self.gate = SharedGate(
            self.clock,
            lambda: int(1000 * self.clock.seconds()),
            self.values,
            lambda topic: self.policy,
            lambda: f"m{next(ids)}",
        )
        self.placed: list[tuple[str, bool]] = []
        self.outcomes: list[Deferred[Any] | None] = []

    def enter(self, key: str, persist: bool = False, data: bytes = b"1") -> Any:
        """
        Publish a value, which gets the next of the outcomes as its place.
        """
        made = publication(key, data)

        def place(messageId: str | None) -> Deferred[Any] | None:
            self.placed.append((key, messageId is not None))
            return self.outcomes.pop(0) if self.outcomes else None

        return self.gate.enter(made, persist, None, place)

    def test_order(self) -> None:
        """
        What is behind a publication that waits for its key waits, too.
        """
        self.assertIsNone(self.enter("a"))
        kept, behind = self.enter("b", True), self.enter("c")
        self.assertEqual(self.placed, [("a", False)])
        self.assertIn(TOPIC, self.gate)
        self.values.asked[0].callback(True)
        self.assertEqual(self.placed, [("a", False), ("b", True), ("c", False)])
        self.successResultOf(kept)
        self.successResultOf(behind)
        self.assertNotIn(TOPIC, self.gate)
        self.assertIsNone(self.enter("d"))

    def test_before(self) -> None:
        """
        A publication reserves its key when those before it have their places, also if one of them
        is to be kept because the value is.
        """
        first, second = Deferred[Any](), Deferred[Any]()
        self.outcomes = [first, second]
        others = [self.enter("a"), self.enter("a")]
        kept = self.enter("a", True)
        behind = self.enter("a")
        first.errback(Unplaced(False))
        self.assertEqual(self.values.asked, [])
        second.errback(RealtimeError("engine_unavailable", "The engine does not answer.", 1000))
        self.failureResultOf(others[1], RealtimeError)
        self.values.asked[0].callback(True)
        self.successResultOf(kept)
        self.successResultOf(behind)
        self.values.asked[1].callback(True)
        self.successResultOf(others[0])
        self.assertEqual([isKept for _, isKept in self.placed], [False, False, True, False, True])
        self.assertEqual((self.gate._placing, self.gate._whenPlaced), ({}, {}))

    def test_taken(self) -> None:
        """
        A key that another publication has is asked for again, and not for ever.
        """
        kept = self.enter("a", True)
        self.values.asked[0].callback(False)
        self.clock.advance(PAUSE)
        self.values.asked[1].callback(True)
        self.successResultOf(kept)
        late = self.enter("a", True)
        self.clock.advance(PATIENCE)
        self.values.asked[2].callback(False)
        self.assertEqual(self.failureResultOf(late, RealtimeError).value.code, "overloaded")
        self.assertEqual(self.placed, [("a", True)])

    def test_refused(self) -> None:
        """
        A publication that gets no key fails, and those behind it go on.
        """
        kept, behind = self.enter("a", True), self.enter("b")
        self.values.asked[0].errback(RealtimeError("state_full", "Full."))
        self.assertEqual(self.failureResultOf(kept, RealtimeError).value.code, "state_full")
        self.successResultOf(behind)
        self.assertEqual(self.placed, [("b", False)])

    def test_lost(self) -> None:
        """
        A publication that the database does not keep gives its key back.
        """
        self.outcomes = [fail(RealtimeError("database_unavailable", "It is away.", 1000))]
        kept = self.enter("a", True)
        self.values.asked[0].callback(True)
        self.failureResultOf(kept, RealtimeError)
        self.assertEqual(len(self.values.released), 1)

    def test_again(self) -> None:
        """
        A publication that was kept before gives its key back, by its own tag; one that is new
        leaves that to the server.
        """
        self.outcomes = [succeed(Receipt("m0", 1)), succeed(Receipt("earlier", 1))]
        for number, released in enumerate(([], [keptTag(TOPIC, "m1")])):
            kept = self.enter("a", True)
            self.values.asked[number].callback(True)
            self.successResultOf(kept)
            self.assertEqual(self.values.released, released)

    def test_emittedAgain(self) -> None:
        """
        An event of a transaction, which has the same id each time, gives its key back.
        """
        kept = self.gate.enter(
            publication(), True, None, lambda id: succeed(Receipt(str(id), 1)), "emitted-1"
        )
        self.values.asked[0].callback(True)
        self.assertEqual(self.successResultOf(kept), Receipt("emitted-1", 1))
        self.assertEqual(self.values.released, [keptTag(TOPIC, "emitted-1")])

    def test_stale(self) -> None:
        """
        A condition that does not hold gives the value that is there.
        """
        self.outcomes = [fail(Unplaced(True))]
        self.assertEqual(self.failureResultOf(self.enter("a"), RealtimeError).value.code, "stale")

    def test_staysKept(self) -> None:
        """
        A publication on a key whose value is kept is kept, too.
        """
        self.outcomes = [fail(Unplaced(False)), succeed(None)]
        entered = self.enter("a")
        self.assertNoResult(entered)
        self.values.asked[0].callback(True)
        self.successResultOf(entered)
        self.assertEqual(self.placed, [("a", False), ("a", True)])

    def test_bound(self) -> None:
        """
        What waits is bounded in number and in bytes.
        """
        self.gate.maxWaiting = 2
        kept = [self.enter("a", True) for _ in range(3)]
        self.assertEqual(self.failureResultOf(kept[2], RealtimeError).value.code, "overloaded")
        self.gate.maxBytes = 3000
        self.gate.maxWaiting = 10
        late = self.enter("b", data=b'"%s"' % (b"x" * 2500))
        self.assertEqual(self.failureResultOf(late, RealtimeError).value.code, "overloaded")
        for number in (0, 1):
            self.values.asked[number].callback(True)
        self.assertEqual(self.gate._held, 0)

    def test_boundFirst(self) -> None:
        """
        A publication that is refused because too much waits leaves nothing that waits.
        """
        self.gate.maxBytes = 10
        refused = self.enter("a", True)
        self.assertEqual(self.failureResultOf(refused, RealtimeError).value.code, "overloaded")
        self.assertNotIn(TOPIC, self.gate)

    def look(self) -> list[str]:
        """
        Look for values whose time is over.
        """
        now = self.clock.seconds()
        return [value.key for piece in self.gate.due(now) for _, value in piece]

    def test_due(self) -> None:
        """
        Values whose time is over are found, also after the engine was away.
        """
        self.enter("a")
        place = Position("e", 1, 0)
        self.values.found = [
            Value("a", place, "e", b"1", None, 0, False, 1),
            Value("b", place, "e", b"1", None, 5000, False, 2),
        ]
        self.assertEqual(self.look() + self.look(), [])
        self.clock.advance(10)
        self.values.isDown = True
        self.assertEqual(self.look() + self.look(), [])
        self.values.isDown = False
        self.assertEqual(self.look() + self.look(), ["a"])
        self.values.found = []
        self.clock.advance(10)
        self.look()
        self.assertEqual(self.gate._looks, {})

    def test_placedLate(self) -> None:
        """
        A value ends also if the database took so long to keep it that a look found nothing.
        """
        placed: Deferred[Any] = Deferred()
        self.outcomes = [placed]
        self.enter("a", True)
        self.values.asked[0].callback(True)
        self.assertEqual(self.look() + self.look(), [])
        placed.callback(None)
        self.values.found = [Value("a", Position("e", 1, 0), "e", b"1", None, 0, True, 1)]
        self.clock.advance(10)
        self.assertEqual(self.look() + self.look(), ["a"])

    def test_placedMeanwhile(self) -> None:
        """
        A value ends also if it was published after the engine was asked, and before its answer.
        The engine is asked once at a time.
        """
        pages: list[Deferred[list[Value]]] = []

        def page(*asked: Any) -> Deferred[list[Value]]:
            pages.append(Deferred())
            return pages[-1]

        self.patch(self.values, "page", page)
        self.enter("a")
        self.look()
        self.enter("b")
        self.look()
        (first,) = pages
        first.callback([])
        self.clock.advance(10)
        self.look()
        pages[1].callback([Value("b", Position("e", 1, 0), "e", b"1", None, 0, False, 1)])
        self.assertEqual(self.look(), ["b"])

    def test_looks(self) -> None:
        """
        The number of topics on which it looks is bounded.
        """
        self.gate.maxLooked = 3
        for number in range(5):
            made = Publication(f"state/{number}/p", EVENT, "e", b"1", None, 1, key="a")
            self.gate.enter(made, False, Condition(None), lambda messageId: None)
        self.assertEqual(list(self.gate._looks), [f"state/{n}/p" for n in (2, 3, 4)])
