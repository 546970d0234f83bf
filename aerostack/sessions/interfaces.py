"""
What commands and subscriptions need of the session that they belong to.
"""

from __future__ import annotations

from aerostack.core.access.permissions import Identity
from aerostack.delivery.outbound import Outbound
from aerostack.errors import RealtimeError
from aerostack.protocol.frames import MessageId


class CommandedSession(Outbound):
    """
    A session as its commands and its subscriptions see it: the sending half, who the client
    is, and the answers.

    L{aerostack.sessions.session.Session} implements it.

    @ivar identity: Who the client is.
    """

    __slots__ = ("identity",)

    identity: Identity

    @property
    def client(self) -> str | None:
        """The hash of the client's session secret; L{None} if the client brought no secret."""
        raise NotImplementedError

    def setIdentity(self, identity: Identity) -> None:
        """
        Go on as another user, or for longer.
        """
        raise NotImplementedError

    def sendError(
        self,
        error: RealtimeError,
        messageId: MessageId | None,
        topic: str | None,
        request: str | None = None,
    ) -> None:
        """
        Tell the client what was wrong.

        @param messageId: The id of the frame that the error is about, if it had one.
        @param topic: The topic that the error is about, if there is one.
        @param request: The type of the frame that the daemon refuses, if it refuses one.
        """
        raise NotImplementedError

    def endToken(self, error: RealtimeError, request: str | None = None) -> None:
        """
        Close, because the client's token does not hold.

        @param request: The type of the frame that brought the token, if one did.
        """
        raise NotImplementedError

    def giveBackFrame(self) -> None:
        """
        Give back to the client's rate a frame of which only the bytes count.
        """
        raise NotImplementedError

    def depart(self) -> None:
        """
        Close, if the daemon has sent the client away; else do nothing.  The commands call it
        when they have answered every publication.
        """
        raise NotImplementedError

    def yieldTo(self) -> None:
        """
        Close, because the same client has opened another connection.  The client's presence
        waits for that one.
        """
        raise NotImplementedError
