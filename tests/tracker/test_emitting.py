"""
Tests for L{aerostack.tracker.emitting}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import capturedLogs, formatEvent

from aerostack.core.topics.emitted import EmitRules
from aerostack.core.topics.topics import Topic
from aerostack.errors import GivenUp, RealtimeError
from aerostack.tracker.emitting import BATCH, OVERLOADED, PATIENCE
from tests.tracker.emitted import RULES, EmittedCase


class EmittedPublisherTests(EmittedCase):
    """
    Tests for a daemon that is alone.
    """

    def test_start(self) -> None:
        """
        Events that an earlier run left are published at the start, and their rows deleted.
        """
        names = [self.outside.emit("chat/a", persist) for persist in (False, True, False)]
        self.turn()
        self.assertEqual(self.events(), names)
        self.assertEqual((self.outside.rows, self.publisher.published), ([], 3))
        self.assertEqual(self.outside.kept, [names[1]])

    def test_regular(self) -> None:
        """
        The daemon looks for events at its interval, and sooner when it is woken or asked.
        """
        self.turn()
        for look in (lambda: self.clock.advance(1), self.outside.wake, self.publisher.poke):
            name = self.outside.emit("chat/a")
            self.turn()
            self.assertNotIn(name, self.events())
            assert look is not None
            look()
            self.turn()
            self.assertIn(name, self.events())

    def test_many(self) -> None:
        """
        More events than one batch are published without another look.
        """
        names = [self.outside.emit("chat/a") for _ in range(BATCH + 5)]
        self.turn()
        self.assertEqual(self.events(), names)

    def test_mixedOnOneTopic(self) -> None:
        """
        An event that is not kept waits for one before it on its topic that is being kept; events of
        other topics do not.
        """
        self.outside.emit("chat/a", True)
        self.outside.emit("chat/b", False)
        self.outside.emit("chat/a", False)
        self.outside.emit("chat/a", True)
        self.clock.advance(0)
        self.assertEqual(self.events(), ["e1", "e2"])
        self.turn()
        self.assertEqual(self.events(), ["e1", "e2", "e3", "e4"])

    def test_keys(self) -> None:
        """
        Events come with their keys; the next event of a keyed topic waits until one with a key has
        its place, because that may be kept as the key's value before is.
        """
        self.outside.fates = iter(["", "", "later"])
        for key in ("a", "b"):
            self.outside.emit("state/a", key=key)
        self.clock.advance(0)
        self.assertEqual((self.events(), self.outside.keys), (["e1"], ["a"]))
        self.turn()
        self.assertEqual((self.events(), self.outside.keys), (["e1", "e2"], ["a", "b"]))

    def test_refused(self) -> None:
        """
        Events that cannot be published are deleted, and the log says why; the others go on.
        """
        bad = [
            ("chat/a\u2028b", "1", "cannot hold the character"),
            ("chat/a", "{", "not JSON"),
            ("chat/a", "[" * 70 + "]" * 70, "nested"),
            ("chat/a", f'"{"x" * 1000}"', "1000 bytes"),
        ]
        with capturedLogs() as logs:
            for topic, data, _ in bad:
                self.outside.emit(topic, False, data)
            self.outside.emit("orders", True)
            name = self.outside.emit("chat/a")
            self.turn()
        self.assertEqual(self.events(), [name])
        self.assertEqual((self.outside.rows, self.publisher.refused), ([], 5))
        said = [str(formatEvent(event)) for event in logs]
        for sentence, (_, _, why) in zip(said, bad, strict=False):
            self.assertIn(why, sentence)

    def test_refusedLater(self) -> None:
        """
        An event that the database or the publisher cannot take, ever, does not keep back others.
        """
        errors = [RealtimeError("invalid_arguments", "Bad."), ValueError("a fault")]
        publish = self.outside.publish

        def refuse(topic: Topic, event: str, *rest: Any) -> Deferred[Any] | None:
            if event == "e2":
                return fail(errors[0])
            if event == "e3":
                raise errors[1]
            return publish(topic, event, *rest)

        self.outside.publish = refuse  # type: ignore[method-assign]
        self.restart()
        for persist in (False, True, False, True):
            self.outside.emit("chat/a", persist)
        self.turn()
        self.assertEqual(self.events(), ["e1", "e4"])
        self.assertEqual((self.outside.rows, self.publisher.refused), ([], 2))

    def test_later(self) -> None:
        """
        An event that cannot be published now is published later, in its order, and F{notice} says
        why when that takes long.
        """
        self.outside.emit("chat/a")
        self.outside.emit("chat/b")
        self.outside.emit("chat/a")
        # The read and the deletion work, then the first event does not.
        self.outside.fates = iter(["", "", "failed", "", "failed", "failed", "failed"])
        self.turn()
        self.assertEqual(self.events(), ["e2"])
        self.assertIsNone(self.publisher.notice())
        self.outside.emit("chat/a")
        for _ in range(int(PATIENCE)):
            self.outside.fates = iter(["failed"] * 2)
            self.clock.advance(1)
            self.turn()
        self.assertEqual(self.events(), ["e2"])
        self.assertIn("Too much waits", str(self.publisher.notice()))
        self.outside.fates = iter(())
        for _ in range(3):
            self.clock.advance(2)
            self.turn()
        self.assertEqual(self.events(), ["e2", "e1", "e3", "e4"])
        self.assertIsNone(self.publisher.notice())

    def test_overloaded(self) -> None:
        """
        If the subscribers of a topic cannot be sent more now, events of other topics go on, and
        the rest is tried again after a moment.
        """
        publish, full = self.outside.publish, RealtimeError("overloaded", "Too much.", 1000)
        refusals = iter([True] * 3)

        def refuse(topic: Topic, *rest: Any) -> Deferred[Any] | None:
            isFull = topic.canonical == "chat/a/p" and next(refusals, False)
            return fail(full) if isFull else publish(topic, *rest)

        self.outside.publish = refuse  # type: ignore[method-assign]
        self.restart()
        for topic in ("chat/a", "chat/b", "chat/a"):
            self.outside.emit(topic)
        self.turn()
        self.assertEqual(self.events(), ["e2"])
        self.outside.emit("chat/b")
        for _ in range(4):
            self.clock.advance(OVERLOADED)
            self.turn()
        self.assertEqual(self.events(), ["e2", "e1", "e3", "e4"])
        self.assertLess(self.clock.seconds(), 1.0)

    def test_unreadable(self) -> None:
        """
        If the events cannot be read, the daemon says so once, prepares the database again and goes
        on.
        """
        self.turn()
        name = self.outside.emit("chat/a")
        for _ in range(3):
            self.outside.fates = iter(["failed"])
            self.clock.advance(2)
            self.turn()
        self.assertEqual(len(self.flushLoggedErrors(ConnectionError)), 1)
        self.assertEqual(self.events(), [])
        self.clock.advance(2)
        self.turn()
        self.assertEqual((self.events(), self.outside.rules), ([name], RULES))

    def test_stop(self) -> None:
        """
        A daemon that stops publishes what it has read, and reads no more.
        """
        self.outside.emit("chat/a", True)
        self.outside.emit("chat/a", False)
        self.clock.advance(0)
        stopped = self.publisher.stop()
        self.assertNoResult(stopped)
        later = self.outside.emit("chat/a")
        self.turn()
        self.successResultOf(stopped)
        self.assertEqual(self.events(), ["e1", "e2"])
        self.assertEqual([row.event for row in self.outside.rows], [later])
        self.assertIsNone(self.outside.wake)

    def test_stopGivenUp(self) -> None:
        """
        If the database is given up at the stop, events stay for the next run, and that is no fault.
        """
        given = GivenUp("shutting_down", "The daemon is stopping.")
        self.outside.publish = lambda *_: fail(given)  # type: ignore[method-assign]
        self.restart()
        self.outside.emit("chat/a", True)
        self.turn()
        self.assertEqual(len(self.outside.rows), 1)
        self.assertEqual(self.events(), [])

    def test_reload(self) -> None:
        """
        Other rules go into the database, and hold for what comes then.
        """
        self.turn()
        rules = EmitRules(("p", "q"), 64, 32, 1000)
        self.publisher.reload(RULES)
        self.turn()
        self.assertNotIn("prepare", self.outside.calls)
        self.publisher.reload(rules)
        self.outside.emit("chat/a/q")
        self.turn()
        self.assertEqual(self.outside.rules, rules)
        self.assertEqual(self.outside.told, [("chat/a/q", "e1")])

    def test_takenFirst(self) -> None:
        """
        An event whose row another daemon has deleted is not published.
        """
        for persist in (False, True):
            self.outside.emit("chat/a", persist)
        rows = self.outside.rows
        self.outside.read = lambda *_: rows if self.outside.rows else []  # type: ignore[method-assign]
        self.outside.rows = rows[:0]
        calls = iter([rows, []])
        self.outside.read = lambda *_: next(calls)  # type: ignore[method-assign]
        self.outside.read.__name__ = "read"
        self.turn()
        self.assertEqual((self.events(), self.outside.kept), ([], []))


class SharedPublisherTests(EmittedCase):
    """
    Tests for a daemon with an engine.
    """

    isShared = True

    def test_elsewhere(self) -> None:
        """
        An event that cannot be published now is not published later if another daemon has done so
        meanwhile: the engine may not know it any more.
        """
        self.outside.emit("chat/a")
        later = self.outside.emit("chat/b")
        self.outside.fates = iter(["", "failed", "failed"])
        self.turn()
        self.outside.take(None, [self.outside.rows[0].mark])
        for _ in range(3):
            self.clock.advance(3)
            self.turn()
        self.assertEqual(self.events(), [later])

    def test_deletedLater(self) -> None:
        """
        If the rows of published events cannot be deleted, that is tried until it is done, and the
        events are not published again.
        """
        asked: list[str] = []
        publish = self.outside.publish

        def note(topic: Topic, event: str, *rest: Any) -> Deferred[Any] | None:
            asked.append(event)
            return publish(topic, event, *rest)

        self.outside.publish = note  # type: ignore[method-assign]
        self.restart()
        names = [self.outside.emit("chat/a", persist) for persist in (False, True)]
        # The read and both publications work, then the deletion does not.
        self.outside.fates = iter(["", "", "", "failed", "failed"])
        for _ in range(5):
            self.turn()
            self.clock.advance(3)
        self.turn()
        self.assertEqual((asked, self.outside.rows), (names, []))
        self.flushLoggedErrors(ConnectionError)
