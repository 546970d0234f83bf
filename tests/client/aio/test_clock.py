"""
Tests for L{aerostack.client.aio.clock}.
"""

from __future__ import annotations

import asyncio

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import AlreadyCalled, AlreadyCancelled

from aerostack.client.aio.clock import LoopClock, settle
from tests.client.aio.loops import LoopTestCase


class LoopClockTests(LoopTestCase):
    """
    Tests for L{LoopClock}.
    """

    def test_calls(self) -> None:
        """
        A call is made once, in its time, and can be moved and cancelled before.
        """

        async def story() -> list[str]:
            clock, made = LoopClock(), []
            first = clock.callLater(0.001, made.append, "first")
            moved = clock.callLater(3600, made.append, "moved")
            gone = clock.callLater(0, made.append, "gone")
            gone.cancel()
            moved.reset(0.002)
            while len(made) < 2:
                await asyncio.sleep(0.001)
            self.assertFalse(first.active() or moved.active() or gone.active())
            self.assertRaises(AlreadyCalled, first.cancel)
            self.assertRaises(AlreadyCancelled, gone.cancel)
            return made

        self.assertEqual(self.run_(story()), ["first", "moved"])


class SettleTests(LoopTestCase):
    """
    Tests for L{settle}.
    """

    def test_result(self) -> None:
        """
        A task gets the result, or the error.
        """

        async def story() -> None:
            self.assertEqual(await settle(succeed(1)), 1)
            failing: Deferred[None] = Deferred()
            asyncio.get_running_loop().call_soon(failing.errback, ValueError("no"))
            with self.assertRaises(ValueError):
                await settle(failing)

        self.run_(story())

    def test_cancelled(self) -> None:
        """
        Cancelling the task cancels the Deferred.
        """

        async def story() -> list[Deferred[None]]:
            cancelled: list[Deferred[None]] = []
            waiting: Deferred[None] = Deferred(cancelled.append)
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await settle(waiting)
            await asyncio.sleep(0)
            return cancelled

        self.assertEqual(len(self.run_(story())), 1)
