"""
Which node has the token stream of the events that servers emit on a topic.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.engine.valkey.emittedscripts import DISOWN, OWN, RENEW
from aerostack.engine.valkey.errors import ReplyError, ValkeyError
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.refusals import errorOf
from aerostack.engine.valkey.resp import Argument
from aerostack.interfaces.emittedowners import IEmittedOwners

LIFE = 180
"""After how many seconds without a renewal the server forgets who has a topic's stream.  A stream
of emitted events ends earlier when no token comes."""


@implementer(IEmittedOwners)
class ValkeyEmittedOwners:
    """
    The owners on a server.  What this node has is noted again over each new connection, because the
    server may have lost it.

    The link tells it of its connections, as L{aerostack.engine.valkey.link.LinkUser}.
    """

    log = Logger()

    def __init__(self, keys: Keys, run: str) -> None:
        """
        @param run: The id of this node's run.
        """
        self._keyOf = keys.emittedOf
        self._run = run.encode()
        self._owned: set[str] = set()

    def begin(self, link: Link) -> None:
        """
        Use a link from now on.
        """
        self._link = link

    def own(self, topic: str, instead: str | None) -> Deferred[str]:
        arguments: list[Argument] = [self._run, (instead or "").encode(), LIFE]
        asked: Deferred[Any] = self._link.run(OWN, [self._keyOf(topic)], arguments)
        return asked.addCallbacks(self._read, _unavailable, callbackArgs=(topic,))

    def _read(self, owner: bytes, topic: str) -> str:
        if owner == self._run:
            self._owned.add(topic)
        return owner.decode(errors="replace")

    def ownerOf(self, topic: str) -> Deferred[str | None]:
        asked: Deferred[Any] = self._link.command(b"GET", self._keyOf(topic))
        return asked.addCallbacks(
            lambda owner: None if owner is None else owner.decode(errors="replace"), _unavailable
        )

    def renew(self, topic: str) -> None:
        if self._link.isUp:
            renewed: Deferred[Any] = self._link.run(RENEW, [self._keyOf(topic)], [self._run, LIFE])
            renewed.addErrback(self._failed)

    def disown(self, topic: str) -> None:
        self._owned.discard(topic)
        if self._link.isUp:
            disowned: Deferred[Any] = self._link.run(DISOWN, [self._keyOf(topic)], [self._run])
            disowned.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        # Where the connection was lost, what this node has is noted again over the next one.
        failure.trap(ValkeyError)
        if failure.check(ReplyError):
            self.log.warn("Who has a stream cannot be noted: {error}", error=failure.value)

    # LinkUser

    def up(self, generation: int) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.up}."""
        for topic in self._owned:
            self.renew(topic)

    def down(self, reason: str) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.down}."""

    def pushed(self, push: list[Any]) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.pushed}."""


def _unavailable(failure: Failure) -> Any:
    failure.trap(ValkeyError)
    raise errorOf(failure.value)
