"""
Tests for L{aerostack.core.outbox}.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.outbox import Outbox, Verdict


@dataclass(unsafe_hash=True)
class Item:
    """
    An item with a size.
    """

    number: int
    size: int
    key: Hashable = None
    isReplaceable: bool = False
    holders: int = 0
    topic: str | None = None
    grows: bool = False
    taken: int = 0

    def absorb(self, item: Item) -> bool:
        """
        Take up a newer item that grows, too, unless a part of this one is taken.
        """
        if not item.grows or self.taken:
            return False
        self.size += item.size
        return True

    def portion(self, size: int) -> list[Item] | None:
        """
        Take out items of one byte.
        """
        if not self.grows:
            return None
        count = max(1, min(size, self.size - self.taken)) if self.taken < self.size else 0
        self.taken += count
        return [Item(self.number, 1) for _ in range(count)]

    def __len__(self) -> int:
        return self.size


class GrowingTests(SynchronousTestCase):
    """
    Tests for items that stand for several, and take up newer ones.
    """

    def test_absorbed(self) -> None:
        """
        An item takes up newer ones of its topic, until another item of the topic stands behind
        it.  Items of other topics do not matter.
        """
        outbox: Outbox[Item] = Outbox(None)
        for item in (
            Item(1, 2, topic="a", grows=True),
            Item(2, 3, topic="b"),
            Item(3, 4, topic="a", grows=True),
            Item(4, 5, topic="a"),
            Item(5, 6, topic="a", grows=True),
        ):
            outbox.add(item)
        self.assertEqual([item.number for item in outbox], [1, 2, 4, 5])
        self.assertEqual(outbox.waiting, 2 + 4 + 3 + 5 + 6)

    def test_portions(self) -> None:
        """
        What an item stands for is taken in portions.  The item takes up nothing from the first
        portion on, and counts until the last is taken.
        """
        outbox: Outbox[Item] = Outbox(None)
        outbox.add(Item(1, 5, topic="a", grows=True))
        self.assertEqual(len(outbox.take(3)), 3)
        outbox.add(Item(2, 1, topic="a", grows=True))
        self.assertEqual([item.number for item in outbox], [1, 2])
        self.assertEqual([item.number for item in outbox.take(10)], [1, 1, 2])
        self.assertEqual((len(outbox), outbox.waiting), (0, 0))

    def test_nothingLeft(self) -> None:
        """
        An item of which nothing is left gives nothing, and is taken away.
        """
        outbox: Outbox[Item] = Outbox(None)
        outbox.add(Item(1, 0, topic="a", grows=True))
        self.assertEqual(outbox.take(10), [])
        self.assertEqual(len(outbox), 0)


items = st.lists(
    st.tuples(st.integers(1, 100), st.sampled_from([None, None, "a", "b"])), max_size=40
)


class OutboxTests(SynchronousTestCase):
    """
    Tests for L{Outbox}.
    """

    @given(items)
    def test_order(self, drawn: list[tuple[int, str | None]]) -> None:
        """
        Items without a key come out in their order.  Of items with the same key only the newest
        comes out, in the place of the first.
        """
        outbox: Outbox[Item] = Outbox(1_000_000)
        put = [Item(n, size, key) for n, (size, key) in enumerate(drawn)]
        for item in put:
            self.assertIsNot(outbox.add(item), Verdict.FULL)
        last = {item.key: item for item in put}
        wanted = [item for item in put if item.key is None or last[item.key] is item]
        self.assertEqual(outbox.waiting, sum(map(len, wanted)))
        self.assertEqual(outbox.spared, len(put) - len(wanted))
        self.assertEqual(outbox.take(1_000_000), wanted)
        self.assertEqual((outbox.waiting, len(outbox)), (0, 0))

    @given(items, st.integers(0, 500))
    def test_limit(self, drawn: list[tuple[int, str | None]], limit: int) -> None:
        """
        Never more bytes wait than may, and an item that the outbox refuses is not taken.
        """
        outbox: Outbox[Item] = Outbox(limit)
        for n, (size, key) in enumerate(drawn):
            before = len(outbox)
            verdict = outbox.add(Item(n, size, key))
            self.assertLessEqual(outbox.waiting, limit)
            if verdict is Verdict.FULL:
                self.assertLessEqual(len(outbox), before)

    @given(items, st.integers(1, 300))
    def test_take(self, drawn: list[tuple[int, str | None]], size: int) -> None:
        """
        A piece is at most as large as the caller asked, except for a single item that is larger.
        """
        outbox: Outbox[Item] = Outbox(1_000_000)
        for n, (length, _) in enumerate(drawn):
            outbox.add(Item(n, length))
        seen: list[Item] = []
        while outbox:
            taken = outbox.take(size)
            self.assertTrue(taken)
            self.assertTrue(len(taken) == 1 or sum(map(len, taken)) <= size)
            seen += taken
        self.assertEqual([item.number for item in seen], list(range(len(drawn))))

    def test_lagging(self) -> None:
        """
        The outbox reports once that more than half waits, and again only after most has been taken.
        """
        outbox: Outbox[Item] = Outbox(100)
        self.assertIs(outbox.add(Item(1, 50)), Verdict.FINE)
        self.assertIs(outbox.add(Item(2, 1)), Verdict.LAGGING)
        self.assertIs(outbox.add(Item(3, 49)), Verdict.FINE)
        self.assertIs(outbox.add(Item(4, 1)), Verdict.FULL)
        outbox.take(60)
        self.assertIs(outbox.add(Item(5, 10)), Verdict.FINE)
        outbox.take(60)
        self.assertIs(outbox.add(Item(6, 60)), Verdict.LAGGING)

    def test_replaceable(self) -> None:
        """
        Only items that exist nowhere else count towards the half, in whatever order they come.
        """
        outbox: Outbox[Item] = Outbox(100)
        outbox.add(Item(1, 45))
        self.assertIs(outbox.add(Item(2, 10, isReplaceable=True)), Verdict.FINE)
        self.assertIs(outbox.add(Item(3, 6)), Verdict.LAGGING)
        self.assertIs(outbox.add(Item(4, 10)), Verdict.FINE)

    def test_beside(self) -> None:
        """
        Bytes that wait elsewhere leave less room in the outbox.
        """
        outbox: Outbox[Item] = Outbox(100)
        self.assertIs(outbox.add(Item(1, 40), 60), Verdict.FINE)
        self.assertIs(outbox.add(Item(2, 1), 60), Verdict.FULL)

    def test_replacedBeyondLimit(self) -> None:
        """
        An item that replaces an older one needs no extra room.
        """
        outbox: Outbox[Item] = Outbox(100)
        for number in range(10):
            self.assertIsNot(outbox.add(Item(number, 90, "cursor")), Verdict.FULL)
        self.assertEqual([item.number for item in outbox.take(1000)], [9])

    @given(items, st.integers(1, 7))
    def test_extract(self, drawn: list[tuple[int, str | None]], divisor: int) -> None:
        """
        Items that are taken from the middle come in their order, and the others keep theirs.
        """
        outbox: Outbox[Item] = Outbox(1_000_000)
        put = [Item(n, size) for n, (size, _) in enumerate(drawn)]
        for item in put:
            outbox.add(item)
        taken = outbox.extract(lambda item: item.number % divisor == 0)
        self.assertEqual(taken, [item for item in put if item.number % divisor == 0])
        left = [item for item in put if item.number % divisor]
        self.assertEqual(outbox.waiting, sum(map(len, left)))
        self.assertEqual(outbox.take(1_000_000), left)

    def test_extractedLagging(self) -> None:
        """
        After most is taken from the middle, the outbox reports again that more than half waits.
        """
        outbox: Outbox[Item] = Outbox(100)
        outbox.add(Item(1, 20))
        self.assertIs(outbox.add(Item(2, 60)), Verdict.LAGGING)
        outbox.extract(lambda item: item.number == 2)
        self.assertIs(outbox.add(Item(3, 60)), Verdict.LAGGING)

    def test_clear(self) -> None:
        """
        A cleared outbox is empty.
        """
        outbox: Outbox[Item] = Outbox(100)
        outbox.add(Item(1, 50))
        outbox.clear()
        self.assertEqual((len(outbox), outbox.waiting, outbox.take(10)), (0, 0, []))
