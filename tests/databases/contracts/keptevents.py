"""
Tests of keeping events that transactions have emitted, for every database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aerostack.core.replay.publications import EmittedMark, Kept, Message
from aerostack.core.topics.emitted import EmitRules
from aerostack.databases.keeping import InDoubt
from aerostack.databases.repeatable import findByIds
from aerostack.errors import RealtimeError, TakenElsewhere
from aerostack.interfaces.emitting import IEmittedEvents
from tests.databases.contracts.history import ROOM, HistoryContract
from tests.databases.synchronous import LosingDatabase, SlowDatabase


class KeptEventContract(HistoryContract):
    """
    Keeping events of transactions.

    @cvar emit: A statement that emits an event.
    """

    emit: str
    events: IEmittedEvents

    def setUp(self) -> None:
        super().setUp()
        self.ask(self.events.prepare, EmitRules(("p",), 100, 100, 1000))

    def ask(self, question: Any, *args: Any) -> Any:
        return self.successResultOf(self.database.run(question, *args))

    def emitted(self, timestamp: int) -> Message:
        """
        Emit an event, and make the message that keeps it.
        """
        self.database.connection.execute(self.emit)
        return self.message(timestamp, emitted=self.marks()[-1])

    def marks(self) -> list[EmittedMark]:
        """
        The events that wait.
        """
        return [event.mark for event in self.ask(self.events.read, 100, 10_000)]

    def again(self, message: Message) -> Message:
        """
        Make the message for another attempt to keep an event.
        """
        return self.message(message.timestamp, emitted=message.emitted)

    def test_row(self) -> None:
        """
        The transaction that keeps an event deletes its row, and no other row.
        """
        first, second = self.emitted(1), self.emitted(2)
        self.successResultOf(self.history.append(first))
        self.assertEqual(self.marks(), [second.emitted])
        self.successResultOf(self.history.append(second))
        self.assertEqual((self.marks(), self.times()), ([], [2, 1]))

    def test_gone(self) -> None:
        """
        An event whose row is gone is not kept; the messages beside it are.
        """
        gone, there = self.emitted(1), self.emitted(2)
        assert gone.emitted is not None
        self.ask(self.events.take, [gone.emitted])
        self.history = self.makeHistory(database=self.slow)
        kept = [self.history.append(each) for each in (gone, self.message(3), there)]
        self.slow.step()
        self.failureResultOf(kept[0], TakenElsewhere)
        for each in kept[1:]:
            self.successResultOf(each)
        self.history = self.makeHistory()
        self.assertEqual((self.marks(), len(self.times())), ([], 2))

    def test_doubtful(self) -> None:
        """
        An event whose transaction may be committed is kept once when it is kept again, behind what
        was kept meanwhile; it does not matter whether the transaction was committed.
        """
        for place, lost in enumerate(("committed", "undone")):
            losing = LosingDatabase(self.database)
            self.history = self.makeHistory(database=losing)
            message = self.emitted(10 * place + 1)
            losing.loses = lost
            self.failureResultOf(self.history.append(message), RealtimeError)
            self.assertEqual(len(self.marks()), lost == "undone", lost)
            between = self.successResultOf(self.history.append(self.message(10 * place + 5)))
            kept = self.successResultOf(self.history.append(self.again(message)))
            self.assertGreater(kept.createdAt, between.createdAt)
            self.assertEqual((self.marks(), len(self.times())), ([], 2 * place + 2), lost)
        self.flushLoggedErrors(InDoubt)

    def test_doubtfulElsewhere(self) -> None:
        """
        If the transaction was not committed, and another daemon has kept the event meanwhile, it is
        not kept again.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        message = self.emitted(1)
        losing.loses = "undone"
        self.failureResultOf(self.history.append(message), RealtimeError)
        other = self.makeHistory()
        self.successResultOf(other.append(self.again(message)))
        self.failureResultOf(self.history.append(self.again(message)), TakenElsewhere)
        self.assertEqual(self.times(), [1])
        self.flushLoggedErrors(InDoubt)

    def test_shared(self) -> None:
        """
        Where daemons share their topics, the row stays, and every daemon finds the message that
        another one has kept; an event whose row is gone is kept only if it is kept already.
        """
        there, gone = self.emitted(1), self.emitted(2)
        assert there.emitted is not None and gone.emitted is not None

        def find(cursor: Any, messages: Sequence[Message]) -> dict[str, Kept]:
            ids = [message.id for message in messages]
            return {kept.message.id: kept for kept in findByIds(cursor, self.dialect, ids)}

        self.ask(self.events.take, [gone.emitted])
        for _ in range(2):
            self.history = self.makeHistory(database=self.slow)
            self.history.again = find
            kept = [self.history.append(each) for each in (there, gone)]
            self.slow.step()
            self.assertEqual(self.successResultOf(kept[0]).createdAt, 1)
            self.failureResultOf(kept[1], TakenElsewhere)
        self.assertEqual(self.marks(), [there.emitted])
        self.history = self.makeHistory()
        self.history.again = find
        self.ask(self.events.take, [there.emitted])
        self.assertEqual(self.successResultOf(self.history.append(there)).createdAt, 1)
        self.assertEqual(self.times(), [1])

    def test_failedTogether(self) -> None:
        """
        If an event cannot be kept, those behind it fail too, so that their order stays; other
        messages do not.
        """
        losing = LosingDatabase(self.database)
        self.slow = SlowDatabase(losing)
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 1
        messages = [self.emitted(1), self.emitted(2), self.message(3)]
        kept = [self.history.append(each) for each in messages]
        losing.loses = "cut"
        self.slow.step()
        self.slow.step()
        for each in kept[:2]:
            self.failureResultOf(each, RealtimeError)
        self.assertEqual(self.successResultOf(kept[2]).createdAt, 3)
        self.history = self.makeHistory()
        self.assertEqual((len(self.marks()), self.times(ROOM)), (2, [3]))
        self.flushLoggedErrors(ConnectionError)

    def test_refused(self) -> None:
        """
        If the database refuses an event, its row stays, and the events beside it are kept.
        """
        good, bad = self.emitted(1), self.emitted(2)
        taken = self.keep(0)
        self.history = self.makeHistory(database=self.slow)
        clash = self.message(2, emitted=bad.emitted, id=taken.message.id)
        kept = [self.history.append(each) for each in (good, clash)]
        self.slow.step()
        self.successResultOf(kept[0])
        self.failureResultOf(kept[1], RealtimeError)
        self.assertEqual(self.marks(), [bad.emitted])
