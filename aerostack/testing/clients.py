"""
A client of a L{World} that sends and reads single frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aerostack.sessions.session import Session
from aerostack.testing.connections import Frame, MemoryConnection


class MemoryClient:
    """
    A client of a L{World}.

    @ivar connection: Its socket, as the daemon sees it.
    @ivar session: Its session in the daemon.
    @ivar positions: Whether L{take} shows the positions of frames.
    """

    positions = False

    def __init__(
        self, connection: MemoryConnection, session: Session, turn: Callable[[], None]
    ) -> None:
        """
        @param turn: Lets the reactor turn until the daemon has sent everything.
        """
        self.connection = connection
        self.session = session
        self._turn = turn

    @property
    def connectionId(self) -> str:
        """The connection's id."""
        return self.connection.connectionId

    def send(self, **frame: Any) -> None:
        """
        Send a frame.
        """
        self.sendRaw(json.dumps(frame).encode())

    def sendRaw(self, payload: bytes, isBinary: bool = False) -> None:
        """
        Send a message as it is.
        """
        self.session.heard()
        self.session.received(payload, isBinary)

    def take(self) -> list[Frame]:
        """
        The frames that came since the last call.
        """
        self._turn()
        frames, self.connection.frames = self.connection.frames, []
        if not self.positions:
            for frame in frames:
                frame.pop("pos", None)
        return frames

    def ask(self, **frame: Any) -> list[Frame]:
        """
        Send a frame, and take the frames that came since the last call.
        """
        self.send(**frame)
        return self.take()

    def close(self) -> None:
        """
        Close the connection.
        """
        self.session.closed(clean=True)

    def die(self) -> None:
        """
        Lose the connection without a close.
        """
        self.session.closed(clean=False)
