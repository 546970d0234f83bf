"""
Tests for L{aerostack.hub.attachments}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aerostack.errors import RealtimeError
from aerostack.hub.attachments import Attachments
from aerostack.hub.sources import LocalLogs
from aerostack.interfaces.logs import ILogSource

TOPIC = "chat/a/p"


@implementer(ILogSource)
class Source:
    """
    Attaches topics when the test says so.

    @ivar calls: What was asked.
    @ivar attaching: What L{attach} answers next.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.attaching: Deferred[None] | None = None

    def attach(self, topic: str) -> Deferred[None] | None:
        self.calls.append(("attach", topic))
        return self.attaching

    def detach(self, topic: str) -> None:
        self.calls.append(("detach", topic))

    def fill(self, topic: str) -> None:
        return None


class AttachmentsTests(SynchronousTestCase):
    """
    Tests for L{Attachments}.
    """

    def setUp(self) -> None:
        self.source = Source()
        self.attachments = Attachments(self.source)

    def test_interface(self) -> None:
        """
        The logs of one process keep the contract, and are always ready.
        """
        logs = LocalLogs()
        verifyObject(ILogSource, logs)
        self.assertIsNone(Attachments(logs).attach(TOPIC))

    def test_counted(self) -> None:
        """
        A topic is attached with its first user and detached with its last.
        """
        for _ in range(2):
            self.assertIsNone(self.attachments.attach(TOPIC))
        self.attachments.release(TOPIC)
        self.assertEqual(self.source.calls, [("attach", TOPIC)])
        self.attachments.release(TOPIC)
        self.assertNotIn(TOPIC, self.attachments)
        self.assertIsNone(self.attachments.attach(TOPIC))
        self.assertEqual([call for call, _ in self.source.calls], ["attach", "detach", "attach"])

    def test_waiting(self) -> None:
        """
        All users wait for the one attachment, and it is detached when the last of them has gone.
        """
        attaching = self.source.attaching = Deferred()
        waiting = [self.attachments.attach(TOPIC) for _ in range(2)]
        for each in waiting:
            assert each is not None
            self.assertNoResult(each)
        attaching.callback(None)
        for each in waiting:
            assert each is not None
            self.assertIsNone(self.successResultOf(each))
        self.assertIsNone(self.attachments.attach(TOPIC))
        for _ in range(3):
            self.assertEqual(self.source.calls, [("attach", TOPIC)])
            self.attachments.release(TOPIC)
        self.assertEqual(self.source.calls[1:], [("detach", TOPIC)])

    def test_firedAtOnce(self) -> None:
        """
        A Deferred that has fired already is as good as no Deferred.
        """
        self.source.attaching = Deferred()
        self.source.attaching.callback(None)
        waited = self.attachments.attach(TOPIC)
        assert waited is not None
        self.assertIsNone(self.successResultOf(waited))
        self.assertIsNone(self.attachments.attach(TOPIC))

    def test_failed(self) -> None:
        """
        If a topic cannot be attached, all users that wait learn it, and the next user tries again.
        """
        attaching = self.source.attaching = Deferred()
        waiting = [self.attachments.attach(TOPIC) for _ in range(2)]
        attaching.errback(RealtimeError("engine_unavailable", "Come back.", 1000))
        for each in waiting:
            assert each is not None
            self.assertEqual(
                self.failureResultOf(each, RealtimeError).value.code, "engine_unavailable"
            )
        self.assertNotIn(TOPIC, self.attachments)
        self.source.attaching = None
        self.assertIsNone(self.attachments.attach(TOPIC))
        self.assertEqual([call for call, _ in self.source.calls], ["attach", "attach"])
