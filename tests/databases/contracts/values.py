"""
Tests of the kept values of keyed topics, for every database.
"""

from __future__ import annotations

from aerostack.core.replay.publications import Publication
from aerostack.databases.values import selectValues
from aerostack.errors import RealtimeError
from tests.databases.contracts.history import HistoryContract
from tests.databases.synchronous import LosingDatabase

TOPIC = "state/a/p"


class ValueContract(HistoryContract):
    """
    Keeping values.
    """

    def values(self, topic: str | None = None) -> list[Publication]:
        """
        Read values.
        """
        found: list[Publication] = self.successResultOf(
            self.database.run(selectValues, self.dialect, topic)
        )
        return found

    def test_newest(self) -> None:
        """
        Of each key the newest value is there, in the order in which they were kept.
        """
        self.keep(1, TOPIC, key="a", data=b"1")
        second = self.keep(2, TOPIC, key="b", data=b"2", userId="ann")
        third = self.keep(3, TOPIC, key="a", data=b"3")
        other = self.keep(3, "state/b/p", key="a", data=b"4")
        self.keep(4, TOPIC)
        kept = [second.publication, third.publication, other.publication]
        self.assertEqual(self.values(), kept)
        self.assertEqual(self.values(TOPIC), kept[:2])
        self.assertEqual(self.values("state/c/p"), [])

    def test_removed(self) -> None:
        """
        A value that was removed is gone; it can be made again.
        """
        self.keep(1, TOPIC, key="a")
        self.keep(2, TOPIC, key="b")
        self.keep(3, TOPIC, key="a", data=b"null")
        self.assertEqual([each.key for each in self.values()], ["b"])
        self.keep(4, TOPIC, key="a")
        self.assertEqual([each.key for each in self.values()], ["b", "a"])

    def test_together(self) -> None:
        """
        Of values that one transaction keeps the last one counts, also if that is a removal.
        """
        history = self.makeHistory(database=self.slow)
        history.append(self.message(1, TOPIC, key="x"))
        for key, data in (("a", b"1"), ("b", b"2"), ("a", b"null"), ("b", b"3"), ("c", b"null")):
            history.append(self.message(2, TOPIC, key=key, data=data))
        self.slow.step()
        self.assertEqual(self.slow.waiting, [])
        self.assertEqual(
            [(each.key, each.data) for each in self.values()], [("x", b"1"), ("b", b"3")]
        )

    def test_history(self) -> None:
        """
        The history has each message with its key, and forgets it without the value.
        """
        kept = self.keep(1, TOPIC, key="a")
        self.assertEqual(self.successResultOf(self.history.page(TOPIC, 5, None)), [kept])
        self.assertEqual(
            self.successResultOf(self.history.readPast(TOPIC, 0, 10, 5, 1000))[0].publication.key,
            "a",
        )
        self.forget()
        self.assertEqual(self.values(), [kept.publication])

    def test_repeated(self) -> None:
        """
        The id of a kept value is found again with its key.
        """
        kept = self.keep(1, TOPIC, key="a", publishId="1")
        self.assertEqual(self.find(0, 10), (1, [kept]))

    def test_forged(self) -> None:
        """
        A row that no daemon wrote is left out.
        """
        kept = self.keep(1, TOPIC, key="a")
        self.database.connection.execute(
            f"INSERT INTO {self.dialect.values} VALUES ('state/a/p', 'b', 'e', '{{', NULL, 2)"
        )
        self.assertEqual(self.values(), [kept.publication])

    def test_in_doubt(self) -> None:
        """
        A value whose publisher got an error is taken back, although the database has kept it.
        """
        self.keep(1, TOPIC, key="a", data=b"1")
        database = LosingDatabase(self.database)
        history = self.makeHistory(database=database)
        for key in "ab":
            database.loses = "committed"
            lost = history.append(self.message(2, TOPIC, key=key, data=b"2"))
            self.failureResultOf(lost, RealtimeError)
        self.flushLoggedErrors()
        self.successResultOf(history.append(self.message(3, TOPIC, key="c", data=b"3")))
        self.assertEqual(
            [(each.key, each.data) for each in self.values()], [("a", b"1"), ("c", b"3")]
        )
