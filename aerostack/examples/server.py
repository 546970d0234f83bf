"""
The server of the examples, inside of the daemon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.examples import auction, orders
from aerostack.examples.ai import Assistant
from aerostack.examples.given import Given
from aerostack.examples.inside import InsideSDK
from aerostack.rpc import RPC

Action = Callable[[Any, Given], Awaitable[Any]]


class Examples(Service):
    """
    What pages may ask for.

    @ivar actions: By path: the example's name, a slash, and what is to be done.
    """

    def __init__(self, clock: IReactorTime, rpc: RPC) -> None:
        self._rpc = rpc
        self._assistant = Assistant(clock)
        self.actions: Mapping[str, Action] = {
            "orders/create": orders.create,
            "orders/update": orders.update,
            "orders/remove": orders.remove,
            "auction/look": auction.look,
            "auction/bid": auction.bid,
            "ai/ask": self._assistant.ask,
            "ai/look": self._assistant.look,
        }

    def stopService(self) -> None:
        super().stopService()
        self._assistant.stop()

    def call(self, name: str, project: str, given: Given) -> Deferred[Any]:
        """
        Do one of the L{actions}.

        @param project: The project to do it in.
        @param given: What the page sent.
        @return: What it is answered.  Fails with L{aerostack.errors.RealtimeError}.
        """

        async def act() -> Any:
            return await self.actions[name](InsideSDK(self._rpc, project), given)

        return Deferred.fromCoroutine(act())
