"""
One client's session, at a worker: the hub says when the client has a newer one elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.interfaces.clients import IClients
from aerostack.sessions.interfaces import CommandedSession
from aerostack.workers.messages.clients import Changed, Closed, Opened, Yield
from aerostack.workers.worker.links import HubLink


@implementer(IClients)
class RemoteClients:
    """
    Tells the hub which clients have sessions here.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, clock: IReactorTime, channel: HubLink) -> None:
        """
        @param clock: The clock that all processes of the machine have.
        """
        self._clock = clock
        self._channel = channel
        self._sessions: dict[str, CommandedSession] = {}
        self.handlers: Mapping[type[Struct], Callable[[Any], None]] = {Yield: self._yield}

    def opened(self, session: CommandedSession) -> None:
        client, identity = session.client, session.identity
        if client is None:
            raise ValueError("the client brought no secret")
        self._sessions[session.connectionId] = session
        self._channel.send(
            Opened(
                session.connectionId,
                identity.project,
                client,
                identity.userId,
                self._clock.seconds(),
            )
        )

    def changed(self, session: CommandedSession) -> None:
        self._channel.send(Changed(session.connectionId, session.identity.userId))

    def closed(self, session: CommandedSession) -> None:
        del self._sessions[session.connectionId]
        self._channel.send(Closed(session.connectionId))

    def _yield(self, message: Yield) -> None:
        session = self._sessions.get(message.connectionId)
        # It may have ended meanwhile.
        if session is not None:
            session.yieldTo()
