"""
Tells the hub how much of its topics a worker has still to send.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from aerostack.interfaces.publishing import IReceiver
from aerostack.workers.messages.logs import Behind
from aerostack.workers.worker.links import HubLink

MANY = 262_144
"""How many bytes of a topic a worker has still to send when it begins to tell the hub."""

INTERVAL = 0.05
"""Seconds after which it tells the hub again."""


class Backlogs:
    """
    The topics of which so much is still to be sent to subscribers that the hub has to know.
    """

    def __init__(self, clock: IReactorTime, hub: HubLink) -> None:
        self._clock = clock
        self._hub = hub
        self._receiver: IReceiver
        self._topics: set[str] = set()

    def start(self, receiver: IReceiver) -> None:
        """
        Begin.

        @param receiver: Knows how much is still to be sent.
        """
        self._receiver = receiver

    def note(self, topic: str) -> None:
        """
        Note that there is more to be sent of a topic.
        """
        if topic not in self._topics and self._receiver.backlog(topic) > MANY:
            if not self._topics:
                self._clock.callLater(INTERVAL, self._tellAgain)
            self._topics.add(topic)
            self._tell(topic)

    def forget(self, topic: str) -> None:
        """
        Note that a topic is attached no longer.
        """
        self._topics.discard(topic)

    def _tell(self, topic: str) -> None:
        size: int = self._receiver.backlog(topic)
        if size <= MANY:
            self._topics.discard(topic)
            size = 0
        self._hub.send(Behind(topic, size))

    def _tellAgain(self) -> None:
        for topic in tuple(self._topics):
            self._tell(topic)
        if self._topics:
            self._clock.callLater(INTERVAL, self._tellAgain)
