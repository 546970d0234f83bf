"""
Tests for L{aerostack.hub.sequencing}.
"""

from __future__ import annotations

from aerostack.core.topics.topics import tableTopic
from tests.hub.test_delivering import publication
from tests.hub.test_publishing import HubTests

ORDERS = tableTopic("orders", "p").canonical


class PlaceTests(HubTests):
    """
    Tests for L{Sequencer.place}.
    """

    def test_floor(self) -> None:
        """
        A log that is opened later begins at the newest mark of any log, even if a program has set
        the clock back.
        """
        mark = self.hub.now() + 60_000
        self.hub.delivery.deliver(publication(mark=mark))
        self.assertEqual(self.hub.sequencer.floor, mark)
        self.world.stepped -= 3600.0
        self.assertEqual(self.hub.sequencer.openLog("chat/b/p").mark, mark)

    def test_tableMark(self) -> None:
        """
        An event on a table's topic leaves the mark of the log alone, which is the journal's.
        """
        sequencer = self.hub.sequencer
        log = sequencer.openTableLog(ORDERS, "j1", 7, False)
        floor = sequencer.floor
        self.hub.delivery.deliver(publication(ORDERS, mark=floor + 60_000))
        self.assertEqual((log.head, log.mark, sequencer.floor), (1, 7, floor))


class TableLogTests(HubTests):
    """
    Tests for the logs of tables' topics.
    """

    def test_lineage(self) -> None:
        """
        The log of a table goes on while its lineage stays, and a table of another lineage has a
        new one.
        """
        sequencer = self.hub.sequencer
        log = sequencer.openTableLog(ORDERS, "j1", 7, False)
        again = sequencer.openTableLog(ORDERS, "j1", 9, True)
        self.assertIs(again, log)
        self.assertEqual((log.mark, log.within), (9, True))
        other = sequencer.openTableLog(ORDERS, "j2", 9, False)
        self.assertIsNot(other, log)
        self.assertEqual((other.lineage, other.mark, other.within), ("j2", 9, False))

    def test_restart(self) -> None:
        """
        A restarted log has another epoch and the same lineage; a dropped one is gone.
        """
        sequencer = self.hub.sequencer
        log = sequencer.openTableLog(ORDERS, "j1", 7, False)
        sequencer.restartLog(ORDERS, 8)
        self.assertNotEqual(sequencer.openTableLog(ORDERS, "j1", 8, False).epoch, log.epoch)
        sequencer.dropLog(ORDERS)
        self.assertFalse(sequencer.hasLog(ORDERS))
