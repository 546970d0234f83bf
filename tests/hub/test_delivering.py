"""
Tests for L{aerostack.hub.delivering}.
"""

from __future__ import annotations

from aerostack.core.replay.publications import EVENT, PRESENCE, Publication
from aerostack.core.topics.topics import Topic, tableTopic
from tests.hub.test_publishing import ROOM, HubTests

ORDERS = tableTopic("orders", "p").canonical


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
        self.assertFalse(self.hub.delivery.hasLog("chat/b/p"))

    def test_presence(self) -> None:
        """
        A change of who is present reaches subscribers, and is neither counted nor in the log.
        """
        before = self.hub.delivery.openLog(ROOM.canonical).position
        self.hub.delivery.deliver(publication(kind=PRESENCE))
        self.assertEqual(self.data(), [1])
        self.assertEqual(self.hub.delivery.published, 0)
        self.assertEqual(self.hub.delivery.openLog(ROOM.canonical).position, before)

    def test_floor(self) -> None:
        """
        A log that is opened later begins at the newest mark of any log, even if somebody has set
        the clock back.
        """
        mark = self.hub.now() + 60_000
        self.hub.delivery.deliver(publication(mark=mark))
        self.assertEqual(self.hub.delivery.floor, mark)
        self.world.stepped -= 3600.0
        self.assertEqual(self.hub.delivery.openLog("chat/b/p").mark, mark)

    def test_tableMark(self) -> None:
        """
        An event on a table's topic leaves the mark of the log alone, which is the journal's.
        """
        delivery = self.hub.delivery
        log = delivery.openTableLog(ORDERS, "j1", 7, False)
        floor = delivery.floor
        delivery.deliver(publication(ORDERS, mark=floor + 60_000))
        self.assertEqual((log.head, log.mark, delivery.floor), (1, 7, floor))


class LogTests(HubTests):
    """
    Tests for the logs of tables' topics.
    """

    def test_lineage(self) -> None:
        """
        The log of a table goes on while its lineage stays, and a table of another lineage has a
        new one.
        """
        delivery = self.hub.delivery
        log = delivery.openTableLog(ORDERS, "j1", 7, False)
        again = delivery.openTableLog(ORDERS, "j1", 9, True)
        self.assertIs(again, log)
        self.assertEqual((log.mark, log.within), (9, True))
        other = delivery.openTableLog(ORDERS, "j2", 9, False)
        self.assertIsNot(other, log)
        self.assertEqual((other.lineage, other.mark, other.within), ("j2", 9, False))

    def test_restart(self) -> None:
        """
        A restarted log has another epoch and the same lineage; a dropped one is gone.
        """
        delivery = self.hub.delivery
        log = delivery.openTableLog(ORDERS, "j1", 7, False)
        delivery.restartLog(ORDERS, 8)
        self.assertNotEqual(delivery.openTableLog(ORDERS, "j1", 8, False).epoch, log.epoch)
        delivery.dropLog(ORDERS)
        self.assertFalse(delivery.hasLog(ORDERS))


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
