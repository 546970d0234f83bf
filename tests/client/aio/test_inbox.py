"""
Tests for L{aerostack.client.aio.inbox}.
"""

from __future__ import annotations

import asyncio

from aerostack.client.aio.inbox import Inbox
from aerostack.client.errors import ClientError
from tests.client.aio.loops import LoopTestCase


class InboxTests(LoopTestCase):
    """
    Tests for L{Inbox}.
    """

    def test_order(self) -> None:
        """
        Frames come out in order, also to one who waits; after the end come those that waited.
        """

        async def story() -> None:
            inbox = Inbox()
            waiting = asyncio.create_task(inbox.next())
            await asyncio.sleep(0)
            for number in range(3):
                inbox.put({"data": number})
            inbox.end()
            inbox.put({"data": "late"})
            self.assertEqual(await waiting, {"data": 0})
            rest = [await inbox.next() for _ in range(3)]
            self.assertEqual(rest, [{"data": 1}, {"data": 2}, None])

        self.run_(story())

    def test_full(self) -> None:
        """
        A loop that is too slow gets what waited, and then an error.
        """

        async def story() -> tuple[object, str]:
            inbox = Inbox(1)
            inbox.put({"data": 1})
            inbox.put({"data": 2})
            inbox.end(ClientError("stopped", "Later."))
            return await inbox.next(), (await self.refusal(inbox.next())).code

        self.assertEqual(self.run_(story()), ({"data": 1}, "queue_full"))
