"""
Tests for L{aerostack.databases.threads}.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from aerostack.databases.threads import FreeingPool


class Value:
    """
    Something that a call is given.
    """


class FreeingPoolTests(TestCase):
    """
    Tests for L{FreeingPool}.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.pool = FreeingPool(1, 1)
        self.pool.start()
        self.addCleanup(self.pool.stop)

    def call(self, function: Any, *args: Any) -> Deferred[Any]:
        """Make a call on a thread."""
        return deferToThreadPool(self.reactor, self.pool, function, *args)

    def said(self, failure: Failure) -> Any:
        """What the error of a call says."""
        assert failure.value is not None
        return failure.value.args

    async def leavesNothing(self, function: Any) -> Any:
        """
        Check that what a call was given, and the call itself, are freed without the garbage
        collector.

        @return: What the call has returned or raised.
        """
        # The first call has Python load what it needs.
        await self.call(function, Value()).addErrback(self.said)
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        value = Value()
        gone = weakref.ref(value)
        result = await self.call(function, value).addErrback(self.said)
        del value
        # The thread lets a call go before it takes the next one.
        await self.call(int)
        self.assertIsNone(gone())
        gc.set_debug(gc.DEBUG_SAVEALL)
        self.addCleanup(gc.garbage.clear)
        self.addCleanup(gc.set_debug, 0)
        gc.collect()
        left = [each for each in gc.garbage if "databases" in getattr(each, "__module__", "")]
        calls = [each for each in gc.garbage if "InThread" in getattr(each, "__qualname__", "")]
        self.assertEqual(left + calls, [])
        return result

    async def test_result(self) -> None:
        """
        A call that returns leaves nothing to the garbage collector.
        """
        self.assertEqual(await self.leavesNothing(lambda value: "done"), "done")

    async def test_failure(self) -> None:
        """
        A call that fails leaves nothing to the garbage collector.
        """

        def fail(value: Value) -> None:
            raise ValueError("wrong")

        self.assertEqual(await self.leavesNothing(fail), ("wrong",))

    async def test_unawaited(self) -> None:
        """
        The failure of a call whose result is not asked for is logged.
        """

        def fail() -> None:
            raise ValueError("wrong")

        self.pool.callInThread(fail)
        await self.call(int)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_stopped(self) -> None:
        """
        A pool that has stopped makes no more calls.
        """
        pool = FreeingPool(1, 1)
        pool.start()
        pool.stop()
        called: list[bool] = []
        pool.callInThreadWithCallback(lambda *result: called.append(True), int)
        self.assertEqual(called, [])
