"""
The contracts of presence: who decides it, and where the sets of members are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from zope.interface import Interface

from aerostack.core.presence import Member
from aerostack.core.roster import Roster


class IRoster(Interface):
    """
    Decides who is present on topics, and has this published to the topics' subscribers.

    What one connection does takes effect in the order of the calls.  When a L{Deferred} of
    L{track} fires, the local sets (L{IMembers}) contain the member already.
    """

    def track(topic, connectionId, userId, state, client, most):
        """
        Let a connection be present on a topic, or change its state there.

        @param topic: The canonical topic, which is attached
            (L{aerostack.interfaces.logs.ILogSource}).
        @param state: Bytes of JSON.
        @param client: See L{aerostack.core.presence.Member}.
        @param most: How many bytes the states of one connection may have together.
        @return: A L{Deferred} of a L{aerostack.core.presence.Tracked}.  Fails with
            L{RealtimeError} C{too_large} or C{overloaded} (there is no room, or the topic's
            subscribers cannot be sent more now) or C{engine_unavailable}; then nothing was changed.
        """

    def untrack(topic, connectionId):
        """
        End a connection's presence on a topic.  If it is not present there, that is no error.

        @param topic: The canonical topic.
        """

    def leave(connectionId):
        """
        End all of a connection's presence now.
        """

    def lose(connectionId):
        """
        Note that a connection was lost: its presence ends when the grace is over, unless its
        client comes back.
        """

    def remove(project, userId):
        """
        End the presence of a user's lost connections before their grace is over.

        @param project: The project's id.
        """

    def topicsOf(connectionId):
        """
        Where a local connection is present, or will be when a L{track} that goes on succeeds.

        @return: The canonical topics, as a tuple.
        """


class IMembers(Protocol):
    """
    The members of topics, read at once: of every topic that is attached, at least.
    L{aerostack.core.presence.Presence} is one.
    """

    def roster(self, topic: str) -> Roster[Member] | None:
        """
        The members of a topic in blocks; L{None} if there is no member.

        @param topic: The canonical topic.
        """

    def members(self, topic: str) -> Iterable[Member]:
        """
        All members of a topic, in the order in which they joined.
        """

    def topics(self) -> Collection[str]:
        """
        The canonical topics that have a member.
        """

    def count(self, topic: str) -> int:
        """
        The number of members of a topic.
        """
