"""
Tests for L{aerostack.core.keyed.states}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.keyed.states import KeyedStates, standing
from aerostack.core.keyed.values import OVERHEAD, Value, topicSizeOf
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication

TOPIC = "state/a/p"


def publication(key: str, data: bytes, mark: int | None = None) -> Publication:
    """
    A publication on a keyed topic.
    """
    return Publication(TOPIC, EVENT, "e", data, None, 1, mark, key=key)


class StatesTests(SynchronousTestCase):
    """
    The values of topics.
    """

    def setUp(self) -> None:
        self.states = KeyedStates()
        self.offset = 0

    def apply(self, key: str, data: bytes, now: float = 0.0, topic: str = TOPIC) -> None:
        """
        Publish a value.
        """
        self.offset += 1
        made = Publication(topic, EVENT, "e", data, None, 1, key=key)
        self.states.apply(made, Position("e1", self.offset, 0), now)

    def read(self, limit: int, size: int = 1_000_000) -> list[Value]:
        """
        Read all values in pages.
        """
        found: list[Value] = []
        after = 0
        while True:
            state = self.states.get(TOPIC)
            page = [] if state is None else state.page(after, limit, size)
            if not page:
                return found
            found += page
            after = page[-1].serial

    @given(
        st.lists(
            st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([b"1", b"null", b"22"])),
            max_size=300,
        ),
        st.integers(1, 4),
    )
    def test_model(self, steps: list[tuple[str, bytes]], limit: int) -> None:
        """
        The values are those of a dictionary, in the order of their newest changes, however they are
        read; their sizes add up.
        """
        self.setUp()
        model: dict[str, bytes] = {}
        for key, data in steps:
            self.apply(key, data)
            model.pop(key, None)
            if data != b"null":
                model[key] = data
        self.assertEqual([(v.key, v.data) for v in self.read(limit)], list(model.items()))
        size = sum(4 * len(key) + len(data) + OVERHEAD for key, data in model.items())
        self.assertEqual(self.states.sizes, {"p": size + topicSizeOf(TOPIC)} if size else {})
        self.assertEqual(len(self.states), int(bool(model)))

    def test_changing(self) -> None:
        """
        A value that changes between two pages is in a later one; the page before has the older one.
        """
        for key in "abc":
            self.apply(key, b"1")
        state = self.states.get(TOPIC)
        assert state is not None
        [first] = state.page(0, 1, 1000)
        self.apply("a", b"2")
        rest = state.page(first.serial, 5, 100_000)
        self.assertEqual([(v.key, v.data) for v in rest], [("b", b"1"), ("c", b"1"), ("a", b"2")])

    def test_gone(self) -> None:
        """
        If all values are removed between two pages and others come, the next page has the others.
        """
        self.apply("a", b"1")
        self.apply("b", b"1")
        state = self.states.get(TOPIC)
        assert state is not None
        after = state.page(0, 5, 100_000)[-1].serial
        self.apply("a", b"null")
        self.apply("b", b"null")
        self.apply("c", b"1")
        state = self.states.get(TOPIC)
        assert state is not None
        self.assertEqual([v.key for v in state.page(after, 5, 100_000)], ["c"])

    def test_large(self) -> None:
        """
        A page ends when it has enough bytes, but has one value at least.
        """
        for key in "abc":
            self.apply(key, b'"%s"' % (b"x" * 1000))
        state = self.states.get(TOPIC)
        assert state is not None
        self.assertEqual(len(state.page(0, 5, 10)), 1)
        self.assertEqual(len(state.page(0, 5, 4000)), 2)

    def test_due(self) -> None:
        """
        The values that are due are those that were published first.
        """
        for now, key in enumerate("abca"):
            self.apply(key, b"1", float(now))
        state = self.states.get(TOPIC)
        assert state is not None
        self.assertEqual([v.key for v in state.due(2.0, 10)], ["b"])
        self.assertEqual([v.key for v in state.due(9.0, 2)], ["b", "c"])

    def test_restore(self) -> None:
        """
        A restored value is known by its mark, is as old as its time says, and stands in the log
        that is there.
        """
        self.states.restore([publication("a", b"1", 7)], "old", 100.0, 5_001)
        value = self.states.find(TOPIC, "a")
        assert value is not None
        self.assertTrue(value.kept)
        self.assertEqual(standing(value, "new").place, Position("new", None, 7, seen=True))
        state = self.states.get(TOPIC)
        assert state is not None
        self.assertEqual(state.due(95.0, 1), [])
        self.assertEqual(state.due(95.1, 1), [value])
