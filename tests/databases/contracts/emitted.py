"""
Tests of the events that transactions emit, for every database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aerostack.core.topics.emitted import EmitRules, EmittedEvent
from aerostack.databases.dialect import Dialect
from aerostack.interfaces.emitting import IEmittedEvents

ONE = EmitRules(("p",), 40, 20, 100)
SEVERAL = EmitRules(("p", "q"), 40, 20, 100)

GOOD = (
    ("chat/a", False),
    ("chat/a/p", True),
    ("orders", False),
    ("table/orders", False),
    ("table/a b;'c", False),
    ("orders/p", True),
    ("a/b/c/d", True),
    ("chat/" + "x" * 33, True),
    ("x" * 32, False),
)
"""Topics of a project that is alone, and whether the event is to be kept."""

BAD = (
    ("", False, "empty"),
    ("chat/" + "x" * 34, False, "40 characters"),
    ("x" * 33, False, "40 characters"),
    ("a//b", False, "empty or . or .."),
    ("a/", False, "empty or . or .."),
    ("/a", False, "empty or . or .."),
    ("a/./b", False, "empty or . or .."),
    ("a/../b", False, "empty or . or .."),
    ("table/a/b", False, "the table's name"),
    ("a/ b", False, "space"),
    ("a /b", False, "space"),
    *((f"chat/{character}", False, "cannot hold") for character in "\"'`\\;<>*#?\n\x7f"),
    ("orders", True, "keeps no messages"),
    ("table/orders/p", True, "keeps no messages"),
)
"""Other topics, and what the error says."""


class EmittedContract:
    """
    To be mixed into a test case that has a database.

    @cvar dialect: The SQL of the database.
    @cvar statement: Emits an event, of its topic, name, data, C{persist} and key.
    @cvar refusal: What a program's statement fails with.
    @ivar daemon: A cursor of the daemon.
    @ivar events: What is tested.
    """

    dialect: Dialect
    statement: str
    refusal: type[Exception]
    daemon: Any
    events: IEmittedEvents

    # The test case provides these.
    assertEqual: Any
    assertIn: Any
    assertRaises: Any

    def program(self) -> Any:
        """
        A connection of another program, in autocommit mode, which may emit.
        """
        raise NotImplementedError

    def emit(
        self,
        program: Any,
        topic: Any,
        event: Any = "e",
        data: Any = "1",
        persist: Any = False,
        key: Any = None,
    ) -> None:
        """
        Emit an event.

        @param data: JSON.
        """
        program.execute(self.statement, (topic, event, data, persist, key))

    def reader(self) -> IEmittedEvents:
        """
        Make another object that reads the events.
        """
        raise NotImplementedError

    def restart(self) -> Any:
        """
        A cursor of another connection of the daemon, after the first one was closed.
        """
        raise NotImplementedError

    def prepare(self, rules: EmitRules = ONE) -> None:
        """
        Prepare the database.
        """
        self.events.prepare(self.daemon, rules)

    def read(self, limit: int = 100, size: int = 100_000) -> list[EmittedEvent]:
        """
        Read events, as they are.
        """
        found: list[EmittedEvent] = self.events.read(self.daemon, limit, size)
        return found

    def take(self, events: Sequence[EmittedEvent]) -> set[str]:
        """
        Delete events.
        """
        taken: set[str] = self.events.take(self.daemon, [event.mark for event in events])
        return taken

    def names(self) -> list[str]:
        """
        Read all events, and delete them.

        @return: Their names.
        """
        events = self.read()
        if events:
            self.take(events)
        return [event.event for event in events]

    def assertRefused(self, said: str, *emitting: Any) -> None:
        """
        Check that a statement fails, and what the error says.
        """
        error = self.assertRaises(self.refusal, self.emit, self.program(), *emitting)
        self.assertIn(said, str(error), emitting)
        self.assertIn("emit: ", str(error), emitting)

    def test_event(self) -> None:
        """
        An event is read as it was emitted, until it is taken, which happens once.
        """
        self.prepare()
        program = self.program()
        self.emit(program, "chat/a", "e ☃", '["é", 1.50, null]', True)
        self.emit(program, "orders", "f", None)
        for _ in range(2):
            first, second = self.read()
            self.assertEqual(
                (first.topic, first.event, first.data, first.persist),
                ("chat/a", "e ☃", '["é", 1.50, null]', True),
            )
            self.assertEqual((second.data, second.persist), ("null", False))
        self.assertEqual(self.take([first]), {first.mark.key})
        self.assertEqual(self.read(), [second])
        self.assertEqual(self.take([first, second]), {second.mark.key})
        self.assertEqual((self.read(), self.read()), ([], []))
        self.emit(program, "chat/a", "again")
        (again,) = self.read()
        self.assertEqual(len({event.mark.key for event in (first, second, again)}), 3)

    def test_rolledBack(self) -> None:
        """
        An event of a transaction that is open, or was rolled back, is not there; nor is one behind
        a savepoint to which the transaction went back.
        """
        self.prepare()
        program = self.program()
        program.execute("BEGIN")
        self.emit(program, "chat/a", "one")
        program.execute("SAVEPOINT here")
        self.emit(program, "chat/a", "two")
        program.execute("ROLLBACK TO SAVEPOINT here")
        self.emit(program, "chat/a", "three")
        self.assertEqual(self.read(), [])
        program.execute("COMMIT")
        self.assertEqual(self.names(), ["one", "three"])
        program.execute("BEGIN")
        self.emit(program, "chat/a", "four")
        program.execute("ROLLBACK")
        self.assertEqual(self.read(), [])

    def test_bounds(self) -> None:
        """
        A read is bounded in events and in bytes of their data, but has one at least.
        """
        self.prepare()
        program = self.program()
        for number in range(5):
            self.emit(program, "chat/a", f"e{number}", f'"{"x" * 8}"')
        for limit, size, count in ((2, 1000, 2), (9, 1, 1), (9, 10, 1), (9, 11, 2), (9, 99, 5)):
            self.assertEqual(
                [event.event for event in self.read(limit, size)],
                [f"e{number}" for number in range(count)],
            )

    def test_topics(self) -> None:
        """
        A statement with a topic that the daemon would refuse fails, and the error says why.
        """
        self.prepare()
        program = self.program()
        for topic, persist in GOOD:
            self.emit(program, topic, "e", "1", persist)
        self.assertEqual([event.topic for event in self.read()], [topic for topic, _ in GOOD])
        for topic, persist, said in BAD:
            self.assertRefused(said, topic, "e", "1", persist)
        self.assertEqual(len(self.names()), len(GOOD))

    def test_severalProjects(self) -> None:
        """
        Where there are several projects, a topic ends in its own.
        """
        self.prepare(SEVERAL)
        program = self.program()
        for topic in ("chat/a/p", "chat/a/q", "orders/q", "table/orders/q"):
            self.emit(program, topic)
        self.assertEqual(len(self.names()), 4)
        for topic in ("chat/a", "orders", "q", "/q", "chat/a/r", "q/chat"):
            self.assertRefused("/p or /q", topic)
        self.assertRefused("keeps no messages", "table/orders/q", "e", "1", True)
        self.assertRefused("empty or . or ..", "a//q")
        self.assertRefused("40 characters", "a/" + "x" * 37 + "/q")

    def test_names(self) -> None:
        """
        A statement fails whose event has no name, too long a name, or one of the daemon's own.
        """
        self.prepare()
        program = self.program()
        self.emit(program, "chat/a", "x" * 20)
        self.assertEqual(self.names(), ["x" * 20])
        for event, said in (
            ("", "empty"),
            ("*", "*"),
            ("x" * 21, "20 characters"),
            ("a\tb", "control"),
            ("presence:join", "daemon's own"),
            ("ai:token", "daemon's own"),
        ):
            self.assertRefused(said, "chat/a", event)

    def test_data(self) -> None:
        """
        A statement fails whose data is too large in bytes.
        """
        self.prepare()
        self.emit(self.program(), "chat/a", "e", f'"{"é" * 49}"')
        self.assertEqual(self.names(), ["e"])
        self.assertRefused("100 bytes", "chat/a", "e", f'"{"é" * 50}"')

    def test_key(self) -> None:
        """
        An event has the key that its statement gives, or none, and takes it away when it is taken;
        a statement fails whose key the daemon would refuse.
        """
        self.prepare()
        for key in ("seat 1", None, "☃" * 256):
            self.emit(self.program(), "state/a", "set", "1", False, key)
        events = self.read()
        self.assertEqual([event.key for event in events], ["seat 1", None, "☃" * 256])
        self.assertEqual(len(self.take(events)), 3)
        self.assertRefused("1 to 256 characters", "state/a", "set", "1", False, "")
        self.assertRefused("1 to 256 characters", "state/a", "set", "1", False, "x" * 257)
        self.assertRefused("control", "state/a", "set", "1", False, "a\tb")
        for topic in ("orders", "table/orders"):
            self.assertRefused("leave out key", topic, "set", "1", False, "a")
        self.emit(self.program(), "state/a", "set", "2", True, "b")
        (event,) = self.read()
        self.assertEqual((event.key, event.data, event.persist), ("b", "2", True))

    def test_prepared(self) -> None:
        """
        To prepare a database again leaves its events, and lets them go by the new rules.
        """
        self.prepare()
        self.emit(self.program(), "chat/a", "one")
        self.prepare()
        self.prepare(SEVERAL)
        self.assertRefused("/p or /q", "chat/a")
        self.prepare(ONE)
        self.emit(self.program(), "chat/a", "two")
        self.assertEqual(self.names(), ["one", "two"])

    def test_restarted(self) -> None:
        """
        Events outlive the daemon's connection.
        """
        self.prepare()
        self.emit(self.program(), "chat/a", "one")
        self.assertEqual(len(self.read()), 1)
        self.daemon, self.events = self.restart(), self.reader()
        self.emit(self.program(), "chat/a", "two")
        self.assertEqual(self.names(), ["one", "two"])

    def test_removed(self) -> None:
        """
        Everything is removed, also with events that were not published, and what was removed is
        named.
        """
        self.assertEqual(self.events.remove(self.daemon), [])
        before = self.inventory()
        self.prepare()
        self.assertGreaterEqual(len(self.events.remove(self.daemon)), 2)
        self.assertEqual(self.inventory(), before)
        self.prepare()
        self.emit(self.program(), "chat/a")
        self.assertGreaterEqual(len(self.events.remove(self.daemon)), 2)
        self.assertEqual(self.inventory(), before)
        self.assertEqual(self.events.remove(self.daemon), [])

    def inventory(self) -> list[Any]:
        """
        All objects of the database.
        """
        raise NotImplementedError
