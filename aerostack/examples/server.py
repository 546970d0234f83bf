"""
The server of the examples, inside of the daemon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from aerostack.auth.authenticator import Authenticator
from aerostack.examples import auction, orders
from aerostack.examples.ai import Assistant
from aerostack.examples.localsdk import InsideSDK
from aerostack.examples.resource import ExampleResource
from aerostack.examples.validation import Given
from aerostack.interfaces.shares import IShares
from aerostack.net.http.files import exampleFiles
from aerostack.sessions.rpc import RPC

Action = Callable[[Any, Given], Awaitable[Any]]
"""Takes an SDK and what the page sent, and gives what the page is answered."""


class Examples(Service):
    """
    The pages, and what they may ask for.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        rpc: RPC,
        authenticator: Authenticator,
        shares: IShares,
        projectId: str,
        model: str | None,
    ) -> None:
        """
        @param projectId: The project that they live in.
        @param model: The model that answers questions; L{None} if there is none.
        """
        self._clock = clock
        self._wall = wall
        self._rpc = rpc
        self._authenticator = authenticator
        self._shares = shares
        self._projectId = projectId
        self._assistant = Assistant(clock, model)

    def resources(self) -> dict[str, Resource]:
        """
        All that is served, by path.
        """
        actions: dict[str, Action] = {
            "orders/create": orders.create,
            "orders/update": orders.update,
            "orders/remove": orders.remove,
            "auction/look": auction.look,
            "auction/bid": auction.bid,
            "ai/ask": self._assistant.ask,
        }
        found = exampleFiles(self._projectId)
        for name, action in actions.items():
            act = partial(self._act, action)
            found[f"examples/api/{name}"] = ExampleResource(
                act, self._projectId, self._authenticator, self._clock, self._wall, self._shares
            )
        return found

    def _act(self, action: Action, project: str, given: Given) -> Deferred[Any]:
        async def act() -> Any:
            return await action(InsideSDK(self._clock, self._rpc, project), given)

        return Deferred.fromCoroutine(act())

    def stopService(self) -> None:
        super().stopService()
        self._assistant.stop()
