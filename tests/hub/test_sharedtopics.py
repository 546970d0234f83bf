"""
Tests for L{aerostack.hub.sharedtopics}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aerostack.errors import RealtimeError
from aerostack.hub.sharedtopics import RETRY, SharedTopics
from aerostack.interfaces.logs import ILogSource

TOPIC = "chat/a/p"


@implementer(ILogSource)
class Source:
    """
    Attaches topics when the test says so.

    @ivar isReady: Whether a topic is attached at once.
    @ivar attached: What waits, by topic.
    """

    def __init__(self) -> None:
        self.isReady = False
        self.attached: dict[str, Deferred[None]] = {}

    def attach(self, topic: str) -> Deferred[None] | None:
        waiting: Deferred[None] = Deferred()
        self.attached[topic] = waiting
        return None if self.isReady else waiting

    def detach(self, topic: str) -> None:
        del self.attached[topic]

    def fill(self, topic: str) -> None:
        return None


class Members:
    """
    Attaches sets when the test says so, and fails those that are detached.

    @ivar late: The topics that may have subscribers already.
    """

    def __init__(self) -> None:
        self.attached: dict[str, Deferred[None]] = {}
        self.late: list[str] = []

    def attach(self, topic: str, isLate: bool = False) -> Deferred[None]:
        assert topic not in self.attached
        self.late += [topic] * isLate
        self.attached[topic] = Deferred()
        return self.attached[topic]

    def detach(self, topic: str) -> None:
        waiting = self.attached.pop(topic, None)
        if waiting is not None and not waiting.called:
            waiting.errback(CancelledError())

    def fail(self, topic: str) -> None:
        """
        Fail an attach.
        """
        self.attached.pop(topic).errback(RealtimeError("engine_unavailable", "It is away.", 1))


class SharedTopicsTests(SynchronousTestCase):
    """
    Tests for L{SharedTopics}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.logs, self.members = Source(), Members()
        self.topics = SharedTopics(self.clock, self.logs, self.members)

    def attach(self) -> Deferred[None]:
        attaching = self.topics.attach(TOPIC)
        assert attaching is not None
        return attaching

    def test_both(self) -> None:
        """
        A topic is attached when its log and its members are there.
        """
        verifyObject(ILogSource, self.topics)
        attaching = self.attach()
        self.assertEqual(self.members.late, [])
        self.logs.attached[TOPIC].callback(None)
        self.assertNoResult(attaching)
        self.members.attached[TOPIC].callback(None)
        self.assertIsNone(self.successResultOf(attaching))
        self.assertIsNone(self.topics.fill(TOPIC))
        self.topics.detach(TOPIC)
        self.assertEqual((self.logs.attached, self.members.attached), ({}, {}))

    def test_failed(self) -> None:
        """
        Where one of them cannot be attached, the other is not attached either, and the topic can
        be attached again.
        """
        attaching = self.attach()
        self.members.fail(TOPIC)
        error = self.failureResultOf(attaching, RealtimeError)
        self.assertEqual(error.value.code, "engine_unavailable")  # type: ignore[attr-defined]
        self.assertEqual((self.logs.attached, self.members.attached), ({}, {}))
        self.attach()

    def test_detached(self) -> None:
        """
        A topic that is detached meanwhile gets no answer, and does not disturb the next one.
        """
        early = self.attach()
        self.topics.detach(TOPIC)
        late = self.attach()
        self.assertNoResult(early)
        self.logs.attached[TOPIC].callback(None)
        self.members.attached[TOPIC].callback(None)
        self.successResultOf(late)

    def test_later(self) -> None:
        """
        Where the log is there at once, the members are tried until they are there, and subscribers
        get each of them.
        """
        self.logs.isReady = True
        self.assertIsNone(self.topics.attach(TOPIC))
        for _ in range(3):
            self.members.fail(TOPIC)
            self.clock.advance(RETRY)
            self.assertIn(TOPIC, self.members.attached)
        self.assertEqual(self.members.late, [TOPIC] * 4)
        self.members.fail(TOPIC)
        self.topics.detach(TOPIC)
        self.assertEqual(self.clock.getDelayedCalls(), [])
