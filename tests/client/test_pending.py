"""
Tests for L{aerostack.client.pending}.
"""

from __future__ import annotations

import asyncio

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.pending import Pending, Waiting, checkReactor, pending


class PendingTests(SynchronousTestCase):
    """
    Tests for L{Pending} and L{pending}.
    """

    def test_asyncio(self) -> None:
        """
        A task of asyncio that awaits it hears what to use.
        """

        async def story() -> None:
            with self.assertRaisesRegex(RuntimeError, r"aerostack\.client\.aio"):
                await Pending()

        asyncio.run(story())

    def test_twisted(self) -> None:
        """
        A coroutine that Twisted drives gets its result, and its errors.
        """
        first, second = Pending[int](), Pending[int]()

        async def story() -> tuple[int, str]:
            try:
                return await first, await second
            except RuntimeError as error:
                return await first or 0, str(error)

        told: Deferred[tuple[int, str]] = Deferred.fromCoroutine(story())
        first.callback(1)
        second.errback(RuntimeError("no"))
        self.assertEqual(self.successResultOf(told), (0, "no"))

    def test_cancelled(self) -> None:
        """
        Cancelling it cancels what it waits for.
        """
        source: Deferred[int] = Deferred()
        made = pending(source)
        made.cancel()
        self.failureResultOf(made, CancelledError)
        self.assertTrue(source.called)


class ReactorTests(SynchronousTestCase):
    """
    Tests for L{checkReactor}.
    """

    class Reactor:
        """Runs or not."""

        def __init__(self, running: bool) -> None:
            self.running = running

    def test_beside(self) -> None:
        """
        A reactor that does not run may not begin beside an event loop; before its own start it may.
        """

        async def story() -> None:
            checkReactor(self.Reactor(True))
            with self.assertRaisesRegex(RuntimeError, r"aerostack\.client\.aio"):
                checkReactor(self.Reactor(False))

        asyncio.run(story())
        checkReactor(self.Reactor(False))


class WaitingTests(SynchronousTestCase):
    """
    Tests for L{Waiting}.
    """

    def test_answer(self) -> None:
        """
        All who wait get the result, and one that waits again in its callback waits for the next.
        """
        waiting: Waiting[int] = Waiting()
        again: list[Pending[int]] = []
        first = waiting.join()
        first.addCallback(lambda _: again.append(waiting.join()))
        self.assertTrue(waiting)
        waiting.answer(1)
        self.assertTrue(waiting)
        waiting.fail(ValueError())
        self.failureResultOf(again[0], ValueError)
        self.assertFalse(waiting)

    def test_givenUp(self) -> None:
        """
        One who has given up is not waited for, and not kept.
        """
        waiting: Waiting[int] = Waiting()
        gone = waiting.join()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertFalse(waiting)
        waiting.join()
        self.assertEqual(len(waiting), 1)
