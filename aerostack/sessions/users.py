"""
The methods of the RPC that remove users: C{user.disconnect} and C{user.revoke}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeGuard

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from aerostack.core.access.permissions import Identity
from aerostack.core.access.removals import Disconnect, Revocation, checkCode, checkReason
from aerostack.core.access.revocations import Revocations
from aerostack.core.topics.topics import checkUser
from aerostack.errors import CLOSE_DISCONNECTED, RealtimeError
from aerostack.interfaces.line import ILine
from aerostack.interfaces.revocations import IRevocationStore

PATIENCE = 5.0
"""For how many seconds a call waits for the nodes' answers."""

LATEST = 253_402_300_799_999
"""The latest end of a revocation, milliseconds since the epoch: the year 9999."""


class UserMethods:
    """
    Has every node remove a user, and says which nodes have done it.
    """

    log = Logger()

    def __init__(
        self,
        line: ILine,
        revocations: Revocations,
        store: IRevocationStore,
        wall: Callable[[], float],
    ) -> None:
        """
        @param revocations: Those of this node.
        @param wall: Gives the time of day, seconds since the epoch.
        """
        self._line = line
        self._revocations = revocations
        self._store = store
        self._wall = wall

    def disconnect(self, identity: Identity, args: list[Any]) -> Deferred[Any]:
        """
        Close all connections of a user, or one of them.

        @param identity: The caller, whose project it is.
        @param args: The user, and perhaps an object with C{reason}, C{code} and C{connection}.
            With a connection the user may be L{None}, for a connection without a user.
        @return: The answer.
        @raise RealtimeError: C{invalid_arguments}.
        """
        userId, options = _parseAny("user.disconnect", args, {"reason", "code", "connection"})
        connection = options.get("connection")
        if connection is None:
            if userId is None:
                raise _invalid("Name the user, or one connection in the option connection.")
        elif not isinstance(connection, str):
            raise _invalid("The option connection is not text.")
        else:
            _check("connection", checkUser, connection)
        code = options.get("code", CLOSE_DISCONNECTED)
        if not _isWhole(code):
            raise _invalid("The option code is not a whole number.")
        if "code" in options:
            _check("code", checkCode, code)
        order = Disconnect(identity.project, userId, code, _reasonOf(options), connection)
        return self._ask(order).addCallback(self._answer, order)

    def revoke(self, identity: Identity, args: list[Any]) -> Deferred[Any]:
        """
        Refuse a user's tokens, and close the connections that were opened with them.

        The revocation holds on this node when this returns, also if the database then fails to
        keep it.

        @param identity: The caller, whose project it is.
        @param args: The user, and an object with C{until} or C{seconds}, and perhaps C{jti} and
            C{reason}.
        @return: The answer, after the commit.  Fails with L{RealtimeError}
            C{database_unavailable}.
        @raise RealtimeError: C{invalid_arguments}, or C{overloaded} if the project has too many
            revocations.
        """
        userId, options = _parse("user.revoke", args, {"until", "seconds", "jti", "reason"})
        now = self._wall()
        tokenId = options.get("jti")
        if tokenId is not None:
            if not isinstance(tokenId, str):
                raise _invalid("The option jti is not text.")
            _check("jti", checkUser, tokenId)
        order = Revocation(
            identity.project,
            userId,
            tokenId,
            int(now * 1000),
            _endOf(options, now),
            _reasonOf(options),
        )
        # An earlier revocation of the same tokens, if there was one, is joined with this one.
        order = self._revocations.add(order, now) or order
        kept = self._store.keep(order)
        asked = self._ask(order).addCallback(self._answer, order)

        def answer(_: None) -> Deferred[Any]:
            return asked

        return kept.addCallback(answer)

    def _ask(self, order: Disconnect | Revocation) -> Deferred[dict[str, int | None]]:
        asked: Deferred[dict[str, int | None]] = self._line.ask(order, PATIENCE)
        return asked

    def _answer(
        self, nodes: Mapping[str, int | None], order: Disconnect | Revocation
    ) -> dict[str, Any]:
        done = {node: count for node, count in nodes.items() if count is not None}
        closed = sum(done.values())
        self.log.info(
            "a server had {n} connections of {userId!r} closed in {project}",
            n=closed,
            userId=order.userId,
            project=order.project,
        )
        until = {"until": order.until} if isinstance(order, Revocation) else {}
        return {
            "success": True,
            "connections": closed,
            "nodes": done,
            "unconfirmed": sorted(nodes.keys() - done.keys()),
            **until,
        }


def _parse(method: str, args: list[Any], known: Collection[str]) -> tuple[str, dict[str, Any]]:
    """
    Read a user and options.

    @param args: The decoded arguments.
    @param known: The names of the options.
    """
    userId, options = _parseAny(method, args, known)
    if userId is None:
        raise _misused(method, known)
    return userId, options


def _parseAny(
    method: str, args: list[Any], known: Collection[str]
) -> tuple[str | None, dict[str, Any]]:
    """
    Read a user, who may be L{None}, and options; see L{_parse}.
    """
    userId, options = (*args, None)[:2] if len(args) in (1, 2) else (0, None)
    options = {} if options is None else options
    isUser = userId is None or isinstance(userId, str)
    if not isUser or not isinstance(options, dict) or set(options) - set(known):
        raise _misused(method, known)
    if userId is not None:
        try:
            checkUser(userId)
        except ValueError as error:
            raise _invalid(f"The user's id {error}.") from None
    return userId, options


def _misused(method: str, known: Collection[str]) -> RealtimeError:
    names = ", ".join(sorted(known))
    return _invalid(f"{method} takes [userId, options]; the options are {names}.")


def _reasonOf(options: Mapping[str, Any]) -> str:
    reason = options.get("reason", "")
    if not isinstance(reason, str):
        raise _invalid("The option reason is not text.")
    _check("reason", checkReason, reason)
    return reason


def _endOf(options: Mapping[str, Any], now: float) -> int:
    """When a revocation ends, milliseconds since the epoch."""
    until, seconds = options.get("until"), options.get("seconds")
    if (until is None) == (seconds is None):
        raise _invalid("user.revoke takes one of the options until and seconds.")
    if seconds is None:
        if not _isWhole(until) or not now * 1000 < until <= LATEST:
            raise _invalid("The option until is a time to come, milliseconds since the epoch.")
        return until
    isNumber = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not isNumber or not 0 < seconds <= LATEST / 1000 - now:
        raise _invalid("The option seconds is a number of seconds above 0.")
    # Rounded up, so that it does not end at once.
    return int((now + seconds) * 1000) + 1


def _isWhole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(name: str, check: Callable[[Any], None], value: Any) -> None:
    try:
        check(value)
    except ValueError as error:
        raise _invalid(f"The option {name} {error}.") from None


def _invalid(message: str) -> RealtimeError:
    return RealtimeError("invalid_arguments", message)
