"""
What a topic needs of the session, which owns it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

from aerostack.client.frames import Frame
from aerostack.client.outgoing import Terms

T = TypeVar("T", contravariant=True)

History = Callable[[str, int, int | None], Deferred[list[Frame]]]
"""Reads a page of a topic's history: the topic, how many messages, and the C{created_at} of the
oldest message of the page before."""

ReadStream = Callable[[str], Deferred[Frame]]
"""Reads a stream that has ended, by its id."""


class TopicOwner(Protocol[T]):
    """
    What a topic and its channels need of the session.  C{T} is the topic.
    """

    @property
    def history(self) -> History:
        """See L{History}."""

    @property
    def readStream(self) -> ReadStream:
        """See L{ReadStream}."""

    def touch(self, topic: T) -> None:
        """
        Look again whether a topic has a frame to send, and whether it is in use.
        """

    def changed(self, topic: T) -> None:
        """
        Send what the application has just asked of a topic.
        """

    def publish(self, topic: str, event: str, data: Any, terms: Terms) -> Deferred[None]:
        """
        Publish an event.
        """

    def cancel(self, topic: str, stream: str) -> Deferred[None]:
        """
        Cancel a stream.
        """

    def bound(
        self, answered: Deferred[Frame], topic: str, timeout: float | None
    ) -> Deferred[Frame]:
        """
        Let a subscription fail that is not answered in time.

        @param timeout: Seconds; L{None} for the client's.
        @return: The same.
        """
