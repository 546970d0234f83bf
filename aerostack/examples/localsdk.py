"""
The SDK of servers, inside the daemon.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.client.address import Address
from aerostack.client.calls import Database, Socket
from aerostack.client.errors import ClientError
from aerostack.client.requests import Request
from aerostack.client.stream import AI
from aerostack.client.streams import StreamCalls
from aerostack.core.access.permissions import Identity, Role
from aerostack.errors import RealtimeError
from aerostack.sessions.rpc import RPC


class InsideSDK:
    """
    The methods of L{aerostack.client.sdk.TwistedSDK}, without HTTP.

    @ivar socket: See L{Socket}.
    @ivar db: See L{Database}.
    @ivar ai: See L{AI}.
    """

    def __init__(self, clock: IReactorTime, rpc: RPC, project: str) -> None:
        """
        @param project: The project for which it acts, with the rights of the secret key.
        """
        identity = Identity(project, Role.SECRET)

        def send(request: Request) -> Deferred[Any]:
            return rpc.call(identity, request.body or b"")

        # The calls do not use the network, so the address does not matter.
        address = Address("ws://localhost", project)
        self.socket: Socket[Deferred[Any], Deferred[Any]] = Socket(address, send)
        self.db: Database[Deferred[Any]] = Database(address, send)
        # A stream knows the errors that come over HTTP.
        self.ai = AI(clock, StreamCalls(address, lambda r: send(r).addErrback(_asOverHTTP)))


def _asOverHTTP(failure: Failure) -> Failure:
    error = failure.value
    if not isinstance(error, RealtimeError):
        return failure
    return Failure(ClientError(error.code, error.message, error.retryAfter, error.details))
