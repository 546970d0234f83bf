"""
What traces the way of a publication or of a change to the sockets.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Span(Protocol):
    """
    A part of the way that another process has begun to trace.
    """

    def failed(self, reason: str) -> None:
        """
        Note that the publication was not published.
        """

    def ended(self) -> None:
        """
        Note that this part of the way is over.
        """


class Trace(Protocol):
    """
    One publication, or one batch of changes, on its way.
    """

    @property
    def parent(self) -> str:
        """
        Names the trace to another process, as W3C's Trace Context does: 55 characters.
        """

    def placed(self) -> None:
        """
        Note that it has its place in the order of its topic, and was kept if it was to be kept.
        """

    def failed(self, reason: str) -> None:
        """
        Note that it was not published.
        """

    def sent(self) -> None:
        """
        Note that it was written to the sockets of all subscribers of this process.
        """


class Tracer(Protocol):
    """
    Begins traces.
    """

    def publication(self, kind: str, isKept: bool) -> Trace | None:
        """
        Begin the trace of a publication that has come.

        @param kind: See L{aerostack.core.topics.policies.TopicPolicies.kindOf}.
        @param isKept: Whether it is to be kept.
        @return: L{None} if it is not sampled.
        """

    def commit(self, topics: str, at: int) -> Trace | None:
        """
        Begin the trace of changes that were read from the database.

        @param topics: The pattern of their topics.
        @param at: When the first was made, milliseconds since the epoch.
        @return: L{None} if it is not sampled.
        """

    def part(self, name: str, parent: str) -> Span | None:
        """
        Begin a part of the way in this process.

        @param name: What the part is called.
        @param parent: See L{Trace.parent}.
        @return: L{None} if the other process does not trace the publication.
        """

    def within(self, traceparent: str | None) -> AbstractContextManager[object]:
        """
        Let the traces that begin within the context belong to a trace of another program.

        @param traceparent: As W3C's Trace Context has it; L{None} for none.
        """
