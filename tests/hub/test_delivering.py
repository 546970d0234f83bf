"""
Tests for L{aerostack.hub.delivering}.
"""

from __future__ import annotations

from aerostack.core.replay.publications import EVENT, PRESENCE, Publication
from aerostack.core.topics.topics import Topic
from tests.hub.test_publishing import ROOM, HubTests


def publication(
    topic: str = ROOM.canonical, kind: str = EVENT, mark: int | None = None
) -> Publication:
    """
    Something that the engine brings.
    """
    return Publication(topic, kind, "e", b"1", None, 1000, mark)


class DeliverTests(HubTests):
    """
    Tests for L{Delivery.deliver}.
    """

    def test_withoutLog(self) -> None:
        """
        A publication on a topic without a log is counted, and no log is opened for it.
        """
        self.hub.delivery.deliver(publication("chat/b/p"))
        self.assertEqual(self.hub.delivery.published, 1)
        self.assertFalse(self.hub.sequencer.hasLog("chat/b/p"))

    def test_presence(self) -> None:
        """
        A change of who is present reaches subscribers, and is neither counted nor in the log.
        """
        before = self.hub.sequencer.openLog(ROOM.canonical).position
        self.hub.delivery.deliver(publication(kind=PRESENCE))
        self.assertEqual(self.data(), [1])
        self.assertEqual(self.hub.delivery.published, 0)
        self.assertEqual(self.hub.sequencer.openLog(ROOM.canonical).position, before)


class SentTests(HubTests):
    """
    Tests for L{Delivery.whenSent}.
    """

    def test_last(self) -> None:
        """
        A function is called once the last of some topics is sent, and at once if all are.
        """
        other = Topic("chat/b", "p")
        self.hub.subscribe(self.listener, other, None)
        called: list[int] = []
        topics = (ROOM.canonical, other.canonical)
        self.assertTrue(self.hub.delivery.whenSent(topics, lambda: called.append(1)))
        self.assertEqual(called, [1])
        for topic in topics * 2:
            self.hub.delivery.deliver(publication(topic))
        self.assertTrue(self.hub.delivery.whenSent(topics, lambda: called.append(2)))
        self.assertEqual(called, [1])
        self.world.turn()
        self.assertEqual(called, [1, 2])
