"""
Where the publications and the members of topics come from, if several nodes share both.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.errors import RealtimeError
from aerostack.interfaces.logs import ILogSource

RETRY = 1.0
"""Seconds until the daemon tries again to attach the members of a topic."""


class SharedMembers(Protocol):
    """
    The sets of members that nodes share, of the topics that are attached.
    """

    def attach(self, topic: str, isLate: bool = False) -> Deferred[None]:
        """
        Have a topic's set.  Fails with L{RealtimeError} or, when the topic is detached, with
        L{CancelledError}; then the topic is not attached.

        @param isLate: Whether the topic may have subscribers before its set is there.  They get a
            C{presence:join} for each member that comes.
        """

    def detach(self, topic: str) -> None:
        """
        Have a topic's set no longer.
        """


@implementer(ILogSource)
class SharedTopics:
    """
    Attaches a topic's log and its members together.

    A table's topic has its log at once, also while the engine does not answer.  Its members come
    later then.
    """

    def __init__(self, clock: IReactorTime, logs: ILogSource, members: SharedMembers) -> None:
        self._clock = clock
        self._logs = logs
        self._members = members
        # By attached topic, the number of its attachment.
        self._attached: dict[str, int] = {}
        self._count = 0
        # When members are tried again, by topic.
        self._retries: dict[str, IDelayedCall] = {}

    def attach(self, topic: str) -> Deferred[None] | None:
        self._count += 1
        number = self._attached[topic] = self._count
        log: Deferred[None] | None = self._logs.attach(topic)
        if log is None:
            self._attachLate(topic)
            return None
        members = self._members.attach(topic)
        both: Deferred[Any] = gatherResults([log, members], consumeErrors=True)
        return both.addCallbacks(lambda _: None, self._failed, errbackArgs=(topic, number))

    def _failed(self, failure: Failure, topic: str, number: int) -> Any:
        """Detach both the log and the members, because one of them could not be attached."""
        inner = getattr(failure.value, "subFailure", failure)
        if self._attached.get(topic) != number:
            # It was detached meanwhile, so the answer is not waited for any more.
            return Deferred()
        self.detach(topic)
        return inner

    def _attachLate(self, topic: str) -> None:
        self._members.attach(topic, True).addErrback(self._missing, topic)

    def _missing(self, failure: Failure, topic: str) -> None:
        """Try again later to have the members."""
        failure.trap(RealtimeError, CancelledError)
        if failure.check(RealtimeError) and topic in self._attached:
            self._retries[topic] = self._clock.callLater(RETRY, self._again, topic)

    def _again(self, topic: str) -> None:
        del self._retries[topic]
        self._attachLate(topic)

    def detach(self, topic: str) -> None:
        del self._attached[topic]
        retry = self._retries.pop(topic, None)
        if retry is not None:
            retry.cancel()
        self._logs.detach(topic)
        self._members.detach(topic)

    def fill(self, topic: str) -> Deferred[None] | None:
        filling: Deferred[None] | None = self._logs.fill(topic)
        return filling
