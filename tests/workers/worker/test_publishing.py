"""
Tests for L{aerostack.workers.worker.publishing}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.workers.channel import ChannelLost
from aerostack.workers.frames import FrameError
from aerostack.workers.messages.publishing import Accepted
from aerostack.workers.worker.publishing import MAX_ASKED, MAX_PUBLISHER, RemotePublisher
from tests.workers.worker.test_logs import FakeHub, FakeReceiver

ROOM = Topic("chat/room", "p")


class RemotePublisherTests(SynchronousTestCase):
    """
    What a worker bounds before it asks the hub.
    """

    def setUp(self) -> None:
        self.hub, self.receiver = FakeHub(), FakeReceiver()
        self.publisher = RemotePublisher(Clock(), self.hub, str)
        self.publisher.start(self.receiver)

    def publish(self, size: int = 1, publisher: str | None = "c") -> Deferred[Any]:
        """
        Publish so many bytes.
        """
        return self.publisher.publish(ROOM, "e", b"1" * size, "u", False, None, None, publisher)

    def refused(self, entered: Deferred[Any], code: str) -> None:
        """
        Assert that a publication was refused, and that trying again may help.
        """
        error = self.failureResultOf(entered, RealtimeError).value
        self.assertEqual((error.code, bool(error.retryAfter)), (code, True))

    def test_backlog(self) -> None:
        """
        The hub is not asked while subscribers here cannot be sent more.
        """
        self.receiver.size = 2_000_000
        self.refused(self.publish(), "overloaded")
        self.assertEqual(self.hub.said, [])

    def test_oneClient(self) -> None:
        """
        One client may have so many bytes waiting; another one, and its own later, goes on.
        """
        self.publish(MAX_PUBLISHER - 2000)
        self.refused(self.publish(), "overloaded")
        self.publish(1, "d")
        self.hub.asked[0].callback(Accepted(None, 0))
        self.publish()
        self.assertEqual(len(self.hub.asked), 3)

    def test_all(self) -> None:
        """
        All clients together may have so many bytes waiting.
        """
        size = MAX_PUBLISHER // 2
        for n in range(MAX_ASKED // size - 1):
            self.publish(size, str(n))
        self.refused(self.publish(size, "more"), "overloaded")
        self.hub.asked[0].callback(Accepted(None, 0))
        self.publish(size, "more")

    def test_lost(self) -> None:
        """
        If the hub is gone, the publisher gets an error that lets it try again.
        """
        entered = self.publish()
        self.hub.asked[0].errback(ChannelLost())
        self.refused(entered, "engine_unavailable")

    def test_tooLarge(self) -> None:
        """
        What is too large for a message to the hub is refused.
        """

        def refuse(question: Any, timeout: Any) -> Any:
            raise FrameError("too many bytes")

        self.patch(self.hub, "ask", refuse)
        error = self.failureResultOf(self.publish(), RealtimeError).value
        self.assertEqual(error.code, "too_large")
