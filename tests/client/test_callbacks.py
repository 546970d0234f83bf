"""
Tests for L{aerostack.client.callbacks}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.callbacks import Callbacks


class CallbacksTests(SynchronousTestCase):
    """
    Tests for L{Callbacks}.
    """

    def setUp(self) -> None:
        self.callbacks = Callbacks()
        self.called: list[Any] = []

    def test_order(self) -> None:
        """
        Each callback is called once, in the order in which they were added.
        """
        first, second = (
            (lambda x: self.called.append((1, x))),
            (lambda x: self.called.append((2, x))),
        )
        for callback in (first, second, first):
            self.callbacks.add("e", callback)
        self.assertTrue(self.callbacks.call("e", "x"))
        self.assertEqual(self.called, [(1, "x"), (2, "x")])

    def test_nobody(self) -> None:
        """
        A call says whether there was a callback.
        """
        self.callbacks.add("e", self.called.append)
        self.assertFalse(self.callbacks.call("f", 1))
        self.assertEqual(self.called, [])

    def test_remove(self) -> None:
        """
        A callback can be taken back alone, by its name, and with all others.
        """
        other: list[Any] = []
        takeBack = self.callbacks.add("e", self.called.append)
        self.callbacks.add("e", other.append)
        takeBack()
        takeBack()
        self.callbacks.call("e", 1)
        self.assertEqual((self.called, other), ([], [1]))
        self.callbacks.add("e", self.called.append)
        self.callbacks.remove("e", other.append)
        self.callbacks.call("e", 2)
        self.assertEqual((self.called, other), ([2], [1]))
        self.callbacks.remove("e")
        self.callbacks.remove("never")
        self.assertFalse(self.callbacks.call("e", 3))
        self.callbacks.add("e", self.called.append)
        self.callbacks.clear()
        self.assertFalse(self.callbacks.call("e", 4))

    def test_raising(self) -> None:
        """
        An exception of a callback is logged, and the others are called.
        """
        self.callbacks.add("e", lambda x: 1 / 0)
        self.callbacks.add("e", self.called.append)
        self.callbacks.call("e", 1)
        self.assertEqual(self.called, [1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_coroutine(self) -> None:
        """
        A coroutine function may be a callback; its exception is logged.
        """
        waiting: Deferred[None] = Deferred()

        async def callback(x: int) -> None:
            await waiting
            self.called.append(x)
            raise ValueError("late")

        self.callbacks.add("e", callback)
        self.callbacks.call("e", 1)
        self.assertEqual(self.called, [])
        waiting.callback(None)
        self.assertEqual(self.called, [1])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_deferred(self) -> None:
        """
        A L{Deferred} that fails later is logged.
        """
        waiting: Deferred[None] = Deferred()
        self.callbacks.add("e", lambda: waiting)
        self.callbacks.call("e")
        waiting.errback(ValueError("late"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_meanwhile(self) -> None:
        """
        A callback that is added during a call waits for the next one; one that is taken back is not
        called.
        """

        def callback(x: int) -> None:
            self.callbacks.remove("e")
            self.callbacks.add("e", other.append)

        other: list[int] = []
        self.callbacks.add("e", callback)
        self.callbacks.add("e", self.called.append)
        self.callbacks.call("e", 1)
        self.assertEqual((self.called, other), ([], []))
        self.callbacks.call("e", 2)
        self.assertEqual((self.called, other), ([], [2]))

    def test_once(self) -> None:
        """
        After a callback that takes itself back the next one is called.
        """

        def callback(x: int) -> None:
            takeBack()
            self.called.append(-x)

        takeBack = self.callbacks.add("e", callback)
        self.callbacks.add("e", self.called.append)
        self.callbacks.call("e", 1)
        self.callbacks.call("e", 2)
        self.assertEqual(self.called, [-1, 1, 2])

    def test_notCallable(self) -> None:
        """
        An object that cannot be called is refused at once.
        """
        error = self.assertRaises(TypeError, self.callbacks.add, "e", None)
        self.assertIn("None cannot be called", str(error))
