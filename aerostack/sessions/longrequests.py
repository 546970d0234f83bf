"""
Requests over HTTP whose answers go on for as long as a token stream does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Identity
from aerostack.core.limits.deadlines import Deadlines
from aerostack.errors import RealtimeError


class LongRequests:
    """
    All such requests of this process.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        authenticator: Authenticator,
        deadlines: Deadlines,
    ) -> None:
        """
        @param wall: The time of day, seconds since the epoch.
        @param deadlines: When each of them has something to do; those of sessions are there, too.
        """
        self.clock = clock
        self.wall = wall
        self.authenticator = authenticator
        self.deadlines = deadlines
        self._requests: dict[LongRequest, None] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[LongRequest]:
        """In order of coming."""
        return iter(tuple(self._requests))

    def enter(self, identity: Identity, refuse: Callable[[RealtimeError], object]) -> LongRequest:
        """
        Take in a request, in the turn of the reactor in which its credentials were verified: a
        revocation that comes in between would not find it.

        @param refuse: Is called at most once, when the client may read no more.
        """
        self._serial += 1
        request = LongRequest(f"http-{self._serial}", identity, refuse, self)
        self._requests[request] = None
        request.setDeadline()
        return request

    def leave(self, request: LongRequest) -> None:
        """
        Forget a request.  An unknown one is no error.
        """
        self._requests.pop(request, None)
        self.deadlines.clear(request)


class LongRequest:
    """
    One such request.  It ends when its client's rights end, as a session does (see
    L{aerostack.sessions.interfaces.Admitted}).

    @ivar connectionId: What the log calls it.
    @ivar identity: Who the client is.
    @ivar check: Makes sure that the client may go on to read what it reads; it raises
        L{RealtimeError} otherwise.
    """

    def __init__(
        self,
        connectionId: str,
        identity: Identity,
        refuse: Callable[[RealtimeError], object],
        requests: LongRequests,
    ) -> None:
        self.connectionId = connectionId
        self.identity = identity
        self.check: Callable[[], object] = _nothing
        self._refuse: Callable[[RealtimeError], object] | None = refuse
        self._requests = requests

    def leave(self) -> None:
        """
        Note that the answer is out, or that the client has gone.
        """
        self._refuse = None
        self.check = _nothing
        self._requests.leave(self)

    def setDeadline(self) -> None:
        """
        Look again when the token expires.
        """
        expires, requests = self.identity.expires, self._requests
        if expires is not None:
            left = max(0.0, expires - requests.wall())
            requests.deadlines.set(self, requests.clock.seconds() + min(left, AGAIN))

    def due(self) -> None:
        """
        End if the token has expired.
        """
        expires = self.identity.expires
        if expires is not None and expires <= self._requests.wall():
            self._end(RealtimeError("token_expired", "The token expired; ask with a new one."))
        elif self._refuse is not None:
            self.setDeadline()

    def reconsider(self) -> None:
        """
        See L{aerostack.sessions.interfaces.Admitted.reconsider}.
        """
        try:
            self._requests.authenticator.reauthorize(self.identity)
            self.check()
        except RealtimeError as error:
            self._end(error)

    def disconnect(self, code: int, reason: str) -> bool:
        """
        See L{aerostack.sessions.interfaces.Admitted.disconnect}.
        """
        return self._end(RealtimeError("disconnected", f"A server disconnected the user: {reason}"))

    def recheckToken(self) -> bool:
        """
        See L{aerostack.sessions.interfaces.Admitted.recheckToken}.
        """
        try:
            self._requests.authenticator.checkToken(self.identity, self._requests.wall())
        except RealtimeError as error:
            return self._end(error)
        return False

    def _end(self, error: RealtimeError) -> bool:
        refuse = self._refuse
        self.leave()
        if refuse is None:
            return False
        refuse(error)
        return True


AGAIN = 25.0
"""Seconds until the request looks at the time of day again, which an operator may have set."""


def _nothing() -> None:
    """Nothing is read yet."""
