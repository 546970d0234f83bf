"""
Tests of finding messages that come again, for every database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aerostack.core.replay.publications import Kept, Message
from aerostack.databases.repeatable import ASKED, SAME, findAgain
from tests.databases.contracts.history import ROOM, HistoryContract


class RepeatedContract(HistoryContract):
    """
    Messages that other daemons have kept.

    @cvar explain: What is put in front of a statement to explain it.
    @cvar plain: The statement after which the database uses an index even for a few rows.
    """

    explain: str
    plain: str

    def again(self, *messages: Message, since: int = 0) -> list[int]:
        """
        The times of the messages that are found.
        """
        found = self.database.run(
            lambda cursor: list(findAgain(cursor, self.dialect, messages, since))
        )
        return [kept.createdAt for kept in self.successResultOf(found)]

    def test_same(self) -> None:
        """
        A message is found by its topic, its publisher's id and its user, and by all of them.
        """
        for number, user in ((1, "ann"), (2, "bob"), (3, None)):
            self.keep(number, publishId='"1"', userId=user)
        self.keep(4)
        asked = [self.message(9, publishId='"1"', userId=user) for user in ("ann", "bob", None)]
        for number, message in enumerate(asked, 1):
            self.assertEqual(self.again(message), [number])
        self.assertEqual(sorted(self.again(*asked)), [1, 2, 3])
        for differing in (
            {"topic": "chat/b/p"},
            {"publishId": '"2"'},
            {"userId": "eve"},
            {"userId": ""},
        ):
            given = {"publishId": '"1"', "userId": "ann", **differing}
            self.assertEqual(self.again(self.message(9, **given)), [])

    def test_newest(self) -> None:
        """
        The newest are found, and none from before a time.
        """
        for number in range(1, SAME + 3):
            self.keep(number, publishId="1", userId="ann")
        message = self.message(1, publishId="1", userId="ann")
        newest = list(range(SAME + 2, 2, -1))
        self.assertEqual(self.again(message), newest)
        self.assertEqual(self.again(message, since=SAME), newest[:3])

    def test_many(self) -> None:
        """
        As many messages as a transaction has are found.
        """
        kept = [
            self.keep(1, publishId=str(n), userId="ann").createdAt for n in range(2 * ASKED + 1)
        ]
        asked = [self.message(1, publishId=str(n), userId="ann") for n in range(2 * ASKED + 1)]
        self.assertEqual(self.again(*asked), kept)

    def test_keptOnce(self) -> None:
        """
        A message that is there already is not kept again; those beside it are.
        """
        there = self.keep(1, publishId="1")

        def find(cursor: Any, messages: Sequence[Message]) -> Mapping[str, Kept]:
            return {each.id: there for each in messages if each.publishId == "1"}

        self.history = self.makeHistory(database=self.slow)
        self.history.again = find
        appended = [self.history.append(self.message(5, publishId=name)) for name in ("1", "2")]
        self.slow.step()
        self.assertEqual(self.successResultOf(appended[0]), there)
        self.assertEqual(self.successResultOf(appended[1]).createdAt, 5)
        self.history = self.makeHistory()
        self.assertEqual(self.times(), [5, 1])

    def test_index(self) -> None:
        """
        They are found by an index, however many messages the topic has.
        """
        plans: list[Any] = []

        class Explaining:
            def __init__(self, cursor: Any) -> None:
                self._cursor = cursor

            def execute(inner, statement: str, parameters: Any) -> Any:
                plans.extend(inner._cursor.execute(f"{self.explain} {statement}", parameters))
                return inner._cursor.execute(statement, parameters)

            def fetchall(self) -> Any:
                return self._cursor.fetchall()

        self.database.connection.execute(self.plain)
        for user in ("ann", None):
            message = self.message(1, ROOM, publishId="1", userId=user)
            self.successResultOf(
                self.database.run(
                    lambda cursor, asked: list(
                        findAgain(Explaining(cursor), self.dialect, [asked], 0)
                    ),
                    message,
                )
            )
        self.assertIn("messages_repeated", str(plans))
        self.assertNotIn("Seq Scan", str(plans))
        self.assertNotIn("SCAN", str(plans))
