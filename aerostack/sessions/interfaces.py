"""
What commands and subscriptions need of the session that they belong to, and what the daemon needs
of every client that it serves.
"""

from __future__ import annotations

from typing import Protocol

from twisted.python.failure import Failure

from aerostack.core.access.permissions import Identity
from aerostack.delivery.interfaces import Recipient
from aerostack.delivery.outbound import Outbound
from aerostack.errors import RealtimeError
from aerostack.protocol.frames import MessageId


class Subscriber(Recipient):
    """
    What subscriptions need of the session that they belong to, or of the named view of one.
    """

    __slots__ = ()

    @property
    def identity(self) -> Identity:
        """Who the client is."""
        raise NotImplementedError

    @property
    def connectionId(self) -> str:
        """The connection's id."""
        raise NotImplementedError

    @property
    def viewCount(self) -> int:
        """How many named views there are beside these subscriptions."""
        raise NotImplementedError

    def sendError(
        self,
        error: RealtimeError,
        messageId: MessageId | None,
        topic: str | None,
        request: str | None = None,
    ) -> None:
        """See L{CommandedSession.sendError}."""
        raise NotImplementedError

    def settled(self) -> None:
        """
        Note that a subscription, or a request for one, has ended.
        """
        raise NotImplementedError

    def drop(self, topic: str) -> None:
        """See L{Outbound.drop}."""
        raise NotImplementedError

    def restart(self, topic: str) -> None:
        """See L{Outbound.restart}."""
        raise NotImplementedError

    def fail(self, failure: Failure) -> None:
        """See L{Outbound.fail}."""
        raise NotImplementedError


class CommandedSession(Outbound, Subscriber):
    """
    A session as its commands and its subscriptions see it: the sending half, who the client
    is, and the answers.

    L{aerostack.sessions.session.Session} implements it.

    @ivar identity: Who the client is.
    """

    __slots__ = ("identity",)

    identity: Identity

    def settled(self) -> None:
        """See L{Subscriber.settled}.  A session stays without subscriptions."""

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
        view: str | None = None,
    ) -> None:
        """
        Tell the client what was wrong.

        @param messageId: The id of the frame that the error is about, if it had one.
        @param topic: The topic that the error is about, if there is one.
        @param request: The type of the frame that the daemon refuses, if it refuses one.
        @param view: The name of the view that the error is about, if it is about one.
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


class Admitted(Protocol):
    """
    A client whose credentials were verified a while ago, and which the daemon still serves.

    @ivar connectionId: What the log calls it.
    @ivar identity: Who the client is.
    """

    @property
    def connectionId(self) -> str:
        """What the log calls it."""

    @property
    def identity(self) -> Identity:
        """Who the client is."""

    def due(self) -> None:
        """Do what its deadline was set for."""

    def reconsider(self) -> None:
        """
        Check the client against another configuration: whether it may stay, and what it may read.
        """

    def disconnect(self, code: int, reason: str) -> bool:
        """
        Serve the client no longer, because a server asked for it.

        @param code: The code of the close, where there is one.
        @return: Whether the client was served until now.
        """

    def recheckToken(self) -> bool:
        """
        Serve the client no longer, if its token was revoked since.

        @return: Whether the client was served until now, and is no more.
        """
