"""
Which topics are attached because a client of this process needs them.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.interfaces.logs import ILogSource


class Attachments:
    """
    Counts the users of each topic: subscriptions, present clients, and requests that wait for
    the topic.  A topic is attached before its first user goes on, and detached after its last
    has gone.
    """

    def __init__(self, source: ILogSource) -> None:
        self._source = source
        self._counts: dict[str, int] = {}
        # By topic that is not attached yet, those who wait for it.
        self._waiting: dict[str, list[Deferred[None]]] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._counts

    def attach(self, topic: str) -> Deferred[None] | None:
        """
        Count one more user of a topic.

        @param topic: The canonical topic.
        @return: L{None} if the topic is attached; else a L{Deferred} that fires with L{None} when
            it is.  If it fails, with L{RealtimeError}, the user is counted no longer.
        """
        count = self._counts.get(topic, 0)
        self._counts[topic] = count + 1
        if not count:
            attaching = self._source.attach(topic)
            if attaching is None:
                return None
            waiting: list[Deferred[None]] = []
            self._waiting[topic] = waiting
            waited: Deferred[None] = Deferred()
            waiting.append(waited)
            attaching.addCallbacks(
                partial(self._attached, topic), partial(self._notAttached, topic)
            )
            return waited
        if topic not in self._waiting:
            return None
        waited = Deferred()
        self._waiting[topic].append(waited)
        return waited

    def release(self, topic: str) -> None:
        """
        Count one user of an attached topic less.
        """
        left = self._counts[topic] - 1
        if left:
            self._counts[topic] = left
        else:
            del self._counts[topic]
            self._source.detach(topic)

    def _attached(self, topic: str, _: object) -> None:
        for waited in self._waiting.pop(topic):
            waited.callback(None)

    def _notAttached(self, topic: str, failure: Failure) -> None:
        del self._counts[topic]
        for waited in self._waiting.pop(topic):
            waited.errback(failure)
