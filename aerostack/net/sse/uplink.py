"""
Brings clients' frames to their connections, in this process or in another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from secrets import token_urlsafe

import msgspec
from twisted.internet.defer import Deferred

from aerostack.errors import RealtimeError
from aerostack.interfaces.uplinks import IUplinks
from aerostack.net.sse.connection import EventConnection
from aerostack.net.sse.inbox import RETRY_AFTER, ended

PATIENCE = 10.0
"""Seconds that another process has to take a request."""

FORWARDED = 4_000_000
"""How many bytes a request may have that another process has to take."""

SHORT = 256
"""How many bytes a request may have that the other processes get without being asked before whether
they have its session."""

MOST = 1000
"""How many requests wait for other processes at a time."""

KNOWN = 10_000
"""How many sessions of other processes are remembered, and how many that no process has."""

LONGEST = 200
"""How many characters the name of a session may have."""


class _Sent(msgspec.Struct, frozen=True, array_like=True):
    """
    A request for a session of another process.  Without frames it is a sign of life, and asks
    whether there is the session.
    """

    session: str
    origin: str | None
    project: str | None
    frames: list[bytes]


class _Taken(msgspec.Struct, frozen=True, array_like=True):
    """
    The answer.

    @ivar code: That of the error; empty if the session has the frames.
    """

    code: str
    message: str
    retryAfter: int | None

    def raiseError(self) -> None:
        """
        Raise the error, if there is one.
        """
        if self.code:
            raise RealtimeError(self.code, self.message, self.retryAfter)


_encode = msgspec.msgpack.Encoder().encode
_sent = msgspec.msgpack.Decoder(_Sent)
_taken = msgspec.msgpack.Decoder(_Taken)


class Uplink:
    """
    The sessions over server-sent events of this process, and the way to those of others.
    """

    def __init__(self, uplinks: IUplinks) -> None:
        """
        @param uplinks: Asks the other processes.
        """
        self._uplinks = uplinks
        self._connections: dict[str, EventConnection] = {}
        # The names of sessions that other processes have, the one that was found first at the
        # beginning.  A long request goes only to where it is expected.
        self._known: dict[str, None] = {}
        # The same of sessions that no process has any more.
        self._gone: dict[str, None] = {}
        self._asking = 0
        uplinks.start(self._asked)

    def __len__(self) -> int:
        return len(self._connections)

    def enter(self, connection: EventConnection) -> None:
        """
        Add a connection.
        """
        self._connections[connection.connectionId] = connection

    def leave(self, connection: EventConnection) -> None:
        """
        Forget a connection.
        """
        self._connections.pop(connection.connectionId, None)

    def newSecret(self, connectionId: str) -> str:
        """
        Make the part of a session's name that is behind the id of its connection.  It has a seal,
        so that every process recognizes a name that was invented.
        """
        sealed = self._uplinks.seals.seal(f"{connectionId}.{token_urlsafe(24)}")
        return sealed.partition(".")[2]

    async def deliver(
        self, session: str, origin: str | None, project: str | None, frames: Sequence[bytes]
    ) -> None:
        """
        Give a session its client's frames.

        @param session: The session's name.
        @param origin: The page that sends the frames, by its browser.
        @param project: The project that the request names; L{None} if it names none.
        @raise RealtimeError: C{unknown_session}, C{origin_not_allowed}, C{wrong_project},
            C{rate_limited}, C{too_large} or C{overloaded}.
        """
        sent = _Sent(session, origin, project, list(frames))
        connection = self._find(session)
        if connection is not None:
            await self._take(connection, sent)
        else:
            await self._forward(sent)

    def _find(self, session: str) -> EventConnection | None:
        name, _, secret = session.partition(".")
        connection = self._connections.get(name)
        if connection is None or not compare_digest(
            connection.secret.encode(), secret.encode("utf-8", "replace")
        ):
            return None
        return connection

    async def _take(self, connection: EventConnection, sent: _Sent) -> None:
        if sent.origin != connection.origin:
            raise RealtimeError(
                "origin_not_allowed", "The session belongs to a page of another origin."
            )
        if sent.project is not None and sent.project != connection.project:
            raise RealtimeError("wrong_project", "The session belongs to another project.")
        taken = connection.take(sent.frames)
        if taken is not None:
            await taken

    # Other processes

    async def _forward(self, sent: _Sent) -> None:
        session = sent.session
        # To ask all processes costs much more than to send a name.
        if (
            len(session) > LONGEST
            or session in self._gone
            or not self._uplinks.seals.holds(session)
        ):
            raise ended()
        size = sum(map(len, sent.frames))
        if size > FORWARDED:
            raise RealtimeError(
                "too_large", f"Another process has the session, and takes {FORWARDED} bytes."
            )
        if self._asking >= MOST:
            raise _overloaded()
        self._asking += 1
        try:
            if size > SHORT and sent.session not in self._known:
                await self._ask(msgspec.structs.replace(sent, frames=[]))
                _remember(self._known, sent.session)
            # Also a request without frames: it is a sign of life.
            await self._ask(sent)
        finally:
            self._asking -= 1

    async def _ask(self, sent: _Sent) -> None:
        answer: bytes | None = await self._uplinks.ask(_encode(sent), PATIENCE)
        if answer is None:
            raise _overloaded()
        if not answer:
            _remember(self._gone, sent.session)
        taken = _taken.decode(answer) if answer else _refused(ended())
        if taken.code == "unknown_session":
            self._known.pop(sent.session, None)
        taken.raiseError()

    def _asked(self, data: bytes) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._answer(_sent.decode(data)))

    async def _answer(self, sent: _Sent) -> bytes:
        connection = self._find(sent.session)
        if connection is None:
            return b""
        try:
            await self._take(connection, sent)
        except RealtimeError as error:
            return _encode(_refused(error))
        return _encode(_Taken("", "", None))


def _remember(sessions: dict[str, None], session: str) -> None:
    sessions[session] = None
    if len(sessions) > KNOWN:
        del sessions[next(iter(sessions))]


def _refused(error: RealtimeError) -> _Taken:
    return _Taken(error.code, error.message, error.retryAfter)


def _overloaded() -> RealtimeError:
    # The client does not know whether the session has taken the frames.
    return RealtimeError(
        "overloaded", "The process that has the session did not answer.", RETRY_AFTER
    )
