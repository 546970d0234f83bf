"""
The token streams of all nodes on a server that have begun and not ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import DecodeError, json
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.answers.openstream import OpenStream
from aerostack.engine.valkey.errors import ReplyError, ValkeyError
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.openscripts import DROP, OPENED
from aerostack.engine.valkey.refusals import errorOf
from aerostack.interfaces.openstreams import IOpenStreams

PIECE = 500
"""How many streams one step names."""

_decode = json.Decoder(tuple[str, str, int]).decode


@implementer(IOpenStreams)
class ValkeyOpenStreams:
    """
    The streams on a server.  Those of this node are noted again over each new connection, because
    the server may have lost them.

    The link tells it of its connections, as L{aerostack.engine.valkey.link.LinkUser}, before it
    tells the log.
    """

    log = Logger()

    def __init__(self, keys: Keys, run: str) -> None:
        """
        @param run: The id of this node's run.
        """
        self._root = keys.open
        self._keyOf = keys.openOf
        self._run = run
        self._open: dict[OpenStream, bytes] = {}

    def begin(self, link: Link) -> None:
        """
        Use a link from now on.
        """
        self._link = link

    def opened(self, stream: OpenStream) -> None:
        self._open[stream] = _encode(stream)
        if self._link.isUp:
            self._note([self._open[stream]])

    def closed(self, stream: OpenStream) -> None:
        member = self._open.pop(stream, None)
        if member is not None and self._link.isUp:
            self._link.command(b"SREM", self._keyOf(self._run), member).addErrback(self._failed)

    def _note(self, members: Sequence[bytes]) -> None:
        self._do(OPENED, self._run, members).addErrback(self._failed)

    def _do(self, script: str, run: str, members: Sequence[bytes]) -> Deferred[Any]:
        return self._link.run(script, [self._root, self._keyOf(run)], [run.encode(), *members])

    def _failed(self, failure: Failure) -> None:
        # Where the connection was lost, the streams are noted again over the next one.
        failure.trap(ValkeyError)
        if failure.check(ReplyError):
            self.log.warn("Running streams cannot be noted: {error}", error=failure.value)

    def runs(self) -> Deferred[list[str]]:
        found: Deferred[Any] = self._link.command(b"SMEMBERS", self._root)
        return found.addCallbacks(
            lambda runs: sorted(run.decode(errors="replace") for run in runs), _unavailable
        )

    def of(self, run: str) -> Deferred[list[OpenStream]]:
        return Deferred.fromCoroutine(self._of(run)).addErrback(_unavailable)

    async def _of(self, run: str) -> list[OpenStream]:
        found: dict[OpenStream, None] = {}
        cursor = b"0"
        while True:
            cursor, members = await self._link.command(
                b"SSCAN", self._keyOf(run), cursor, b"COUNT", PIECE
            )
            # A step may name a stream again.
            found.update((each, None) for each in map(_read, members) if each is not None)
            if cursor == b"0":
                return list(found)

    def drop(self, run: str, streams: Sequence[OpenStream]) -> Deferred[None]:
        return Deferred.fromCoroutine(self._drop(run, streams)).addErrback(_unavailable)

    async def _drop(self, run: str, streams: Sequence[OpenStream]) -> None:
        for start in range(0, max(1, len(streams)), PIECE):
            await self._do(DROP, run, [_encode(each) for each in streams[start : start + PIECE]])

    # LinkUser

    def up(self, generation: int) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.up}."""
        members = list(self._open.values())
        for start in range(0, len(members), PIECE):
            self._note(members[start : start + PIECE])

    def down(self, reason: str) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.down}."""

    def pushed(self, push: list[Any]) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.pushed}."""


def _encode(stream: OpenStream) -> bytes:
    return json.encode((stream.topic, stream.stream, stream.began))


def _read(member: bytes) -> OpenStream | None:
    """Read a stream; L{None} if a program wrote it that is no daemon."""
    try:
        return OpenStream(*_decode(member))
    except DecodeError:
        return None


def _unavailable(failure: Failure) -> Any:
    failure.trap(ValkeyError)
    raise errorOf(failure.value)
