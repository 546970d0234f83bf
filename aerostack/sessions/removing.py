"""
Removing a user from this daemon: its connections, its presence, and its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime

from aerostack.core.access.removals import Disconnect, Revocation
from aerostack.core.access.revocations import Revocations
from aerostack.delivery.slices import makeCooperator
from aerostack.errors import RealtimeError
from aerostack.hub.presence import PresenceService
from aerostack.sessions.interfaces import Admitted

SCANNED = 200
"""How many clients are looked at before the time is checked."""


class Removal:
    """
    Carries out orders to remove users, on this daemon.  An order that finds many clients goes on
    over several turns of the reactor.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        presence: PresenceService,
        revocations: Revocations,
        clients: Callable[[], Sequence[Admitted]],
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param revocations: Takes the revocations.  The authenticator asks the same object.
        @param clients: Gives all clients that are served.
        """
        self._wall = wall
        self._presence = presence
        self._revocations = revocations
        self._clients = clients
        self._cooperator = makeCooperator(clock)

    def carryOut(self, order: Disconnect | Revocation) -> Deferred[int]:
        """
        Carry out an order.  A revocation holds for every later opening when this returns.

        @return: Fires with the number of connections that were closed.  Fails with
            L{RealtimeError} C{overloaded} if there is no room for the revocation.
        """
        if isinstance(order, Disconnect):
            code, reason = order.code, order.reason

            def forgetUser() -> None:
                # One connection takes its own presence along.
                if order.connection is None and order.userId is not None:
                    self._presence.remove(order.project, order.userId)

            return self._close(
                lambda client: _isMeant(client, order) and client.disconnect(code, reason),
                forgetUser,
            )
        try:
            self._revocations.add(order, self._wall())
        except RealtimeError as error:
            return fail(error)

        def forget() -> None:
            # The daemon does not know which token a lost connection had.
            if order.tokenId is None:
                self._presence.remove(order.project, order.userId)

        return self._close(lambda client: _isOf(client, order) and client.recheckToken(), forget)

    def recheckTokens(self) -> Deferred[int]:
        """
        Close the connections of all revoked tokens.

        @return: Fires with their number.
        """
        return self._close(lambda client: client.recheckToken(), lambda: None)

    def _close(self, close: Callable[[Admitted], bool], after: Callable[[], None]) -> Deferred[int]:
        """
        @param close: Closes a connection if it has to be closed, and tells whether it did.
        @param after: Is called last, when no connection can be lost unnoticed any more.
        """
        closed = 0

        def work() -> Iterator[None]:
            nonlocal closed
            for number, client in enumerate(self._clients(), 1):
                if close(client):
                    closed += 1
                    yield
                elif not number % SCANNED:
                    yield
            after()

        return self._cooperator.coiterate(work()).addCallback(lambda _: closed)


def _isMeant(client: Admitted, order: Disconnect) -> bool:
    return _isOf(client, order) and order.connection in (None, client.connectionId)


def _isOf(client: Admitted, order: Disconnect | Revocation) -> bool:
    identity = client.identity
    return identity.userId == order.userId and identity.project == order.project
