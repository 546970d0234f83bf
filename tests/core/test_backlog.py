"""
Tests for L{aerostack.core.backlog}.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.backlog import Backlogs
from aerostack.core.outbox import Outbox


@dataclass(eq=False)
class Item:
    """
    A frame of some size.
    """

    size: int
    key: str | None = None
    isReplaceable: bool = False
    holders: int = 0
    topic: str | None = None
    grows: bool = False

    def portion(self, size: int) -> None:
        """
        It stands for itself.
        """

    def __len__(self) -> int:
        return self.size


class BacklogTests(SynchronousTestCase):
    """
    Tests for L{Backlogs} of 100 bytes a project and 150 in all.
    """

    def setUp(self) -> None:
        self.backlogs: Backlogs[str] = Backlogs(100, 150)
        self.shop, self.chat = self.backlogs.of("shop"), self.backlogs.of("chat")

    def test_shared(self) -> None:
        """
        A frame counts once, however many readers it waits for, until the last of them has it.
        """
        item = Item(40)
        for _ in range(3):
            self.shop.count(item, 1)
        self.assertEqual((self.shop.size, self.backlogs.size), (40, 40))
        for left in (40, 40, 0):
            self.shop.count(item, -1)
            self.assertEqual((self.shop.size, self.backlogs.size), (left, left))

    def test_project(self) -> None:
        """
        If too much waits in a project, the reader of the project is named that has not read for
        longest.
        """
        self.chat.stops("ann")
        for reader in ("bob", "cleo", "bob"):
            self.shop.stops(reader)
        self.shop.count(Item(100), 1)
        self.assertIsNone(self.shop.slowest())
        self.shop.count(Item(1), 1)
        self.assertEqual(self.shop.slowest(), "bob")
        self.assertIsNone(self.chat.slowest())
        self.shop.goesOn("bob")
        self.assertEqual(self.shop.slowest(), "cleo")
        self.shop.goesOn("cleo")
        self.assertIsNone(self.shop.slowest())

    def test_daemon(self) -> None:
        """
        If too much waits in all projects together, a reader is named of the project with the
        most, whichever project has one frame more.
        """
        self.shop.stops("bob")
        self.chat.stops("ann")
        self.shop.count(Item(90), 1)
        self.chat.count(Item(60), 1)
        self.assertIsNone(self.chat.slowest())
        self.chat.count(Item(1), 1)
        self.assertEqual(self.chat.slowest(), "bob")

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["add", "take", "clear"]), st.integers(0, 2), st.integers(0, 5)
            ),
            max_size=60,
        )
    )
    def test_outboxes(self, steps: list[tuple[str, int, int]]) -> None:
        """
        Whatever outboxes take and give, the size is that of the different frames in them.
        """
        backlog = Backlogs[str]().of("p")
        outboxes = [Outbox[Item](100, backlog) for _ in range(3)]
        items = [Item(10 * n + 1, "key" if n > 3 else None) for n in range(6)]
        for step, which, number in steps:
            outbox = outboxes[which]
            if step == "add":
                if items[number] not in list(outbox):
                    outbox.add(items[number])
            elif step == "take":
                outbox.take(20)
            else:
                outbox.clear()
            waiting = {id(item): len(item) for outbox in outboxes for item in outbox}
            self.assertEqual(backlog.size, sum(waiting.values()))
