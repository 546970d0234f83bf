"""
Tests for L{aerostack.engine.valkey.queues}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.queues import Item, Queue, due
from tests.engine.lognodes import publication


def makeItem(data: object, deadline: float | None = None) -> Item:
    """
    Something that waits.
    """
    item = Item(publication(data), f"t{data}", None, deadline=deadline)
    item.done = Deferred()
    return item


class QueueTests(SynchronousTestCase):
    """
    Tests for L{Queue} and L{due}.
    """

    def setUp(self) -> None:
        """
        Make a queue with five publications.
        """
        self.items = [makeItem(number, number) for number in range(5)]
        self.queue = Queue("chat/a/p")
        self.queue.items.extend(self.items)

    def test_batch(self) -> None:
        """
        A batch has so many publications, and no more once they have so many bytes, but one at
        least.
        """
        self.queue.takeBatch(7, 2, 1_000)
        self.assertEqual((self.queue.serial, self.queue.batch), (7, self.items[:2]))
        self.queue.putBack(0)
        self.queue.takeBatch(8, 9, 1)
        self.assertEqual(self.queue.batch, self.items[:1])

    def test_putBack(self) -> None:
        """
        What a batch did not bring stands before what came later.
        """
        self.queue.takeBatch(7, 3, 1_000)
        self.queue.putBack(1)
        self.assertEqual((self.queue.batch, list(self.queue.items)), ([], self.items[1:]))

    def test_due(self) -> None:
        """
        What has waited for too long is given; of that, what was on its way stays in its batch, so
        that the batch can be sent again as it was.
        """
        self.queue.takeBatch(7, 2, 1_000)
        self.assertEqual(due(self.queue, 2.5), self.items[:3])
        self.assertEqual(self.queue.batch, self.items[:2])
        self.assertEqual(list(self.queue.items), self.items[3:])
        self.items[0].done = None
        self.assertEqual(due(self.queue, 2.5), self.items[1:2], "each is refused once")

    def test_onItsWay(self) -> None:
        """
        What is on its way does not wait for too long, because its answer is about to come.
        """
        self.queue.takeBatch(7, 2, 1_000)
        self.queue.busy = True
        self.assertEqual(due(self.queue, 2.5), self.items[2:3])

    def test_endless(self) -> None:
        """
        A publication that the history gave waits without end; those behind it have a deadline.
        """
        endless = [makeItem("a"), makeItem("b")]
        self.queue.items.extendleft(reversed(endless))
        self.assertEqual(due(self.queue, 1.5), self.items[:2])
        self.assertEqual(list(self.queue.items), endless + self.items[2:])
        self.assertEqual(due(self.queue, 1e9), self.items[2:])
        self.assertEqual(list(self.queue.items), endless)

    def test_refused(self) -> None:
        """
        A publication that was refused does not wait again, unless it is kept.
        """
        kept = Item(publication(9, mark=9), "t9", 8, deadline=0.0)
        self.queue.items.appendleft(kept)
        self.queue.takeBatch(7, 3, 1_000)
        self.items[0].done = None
        self.assertEqual([item.isRefused for item in self.queue.batch], [False, True, False])
        self.queue.putBack(0)
        self.assertEqual(list(self.queue.items), [kept, *self.items[1:]])

    def test_size(self) -> None:
        """
        A publication counts its data and the objects that wait with it.
        """
        self.assertGreater(makeItem("x" * 1_000).size, 1_000 + 500)
