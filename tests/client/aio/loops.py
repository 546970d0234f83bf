"""
Test cases with event loops.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError

PATIENCE = 60.0
"""Seconds after which a story has hung."""


class LoopTestCase(SynchronousTestCase):
    """
    Runs coroutines, each on an event loop of its own.
    """

    def run_(self, story: Coroutine[Any, Any, Any]) -> Any:
        """
        Run a coroutine to its end.  It leaves no task, no warning, and no exception that only
        the event loop gets.
        """
        lost: list[dict[str, Any]] = []

        async def whole() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda _, about: lost.append(about))
            async with asyncio.timeout(PATIENCE):
                result = await story
            # What was cancelled ends in the next turn.
            await asyncio.sleep(0)
            self.assertEqual(asyncio.all_tasks() - {asyncio.current_task()}, set())
            return result

        # The collector must not find in the story what other tests have left.
        gc.collect()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = asyncio.run(whole())
            gc.collect()
        self.assertEqual([str(each.message) for each in warned], [])
        self.assertEqual(lost, [])
        return result

    async def refusal(self, call: Coroutine[Any, Any, Any]) -> ClientError:
        """
        Make a call that fails.
        """
        try:
            answer = await call
        except ClientError as error:
            return error
        raise AssertionError(answer)


async def until(holds: Callable[[], object]) -> None:
    """
    Wait until a condition is true.
    """
    while not holds():
        await asyncio.sleep(0.001)
