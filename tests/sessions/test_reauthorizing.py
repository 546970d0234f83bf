"""
Tests for L{aerostack.sessions.reauthorizing}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.sessions.reauthorizing import STEPS, Reauthorizing
from aerostack.sessions.subscriptions import PIECE
from aerostack.testing import World


class Turns:
    """
    A clock that only knows the next turn of the reactor.
    """

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def callLater(self, delay: float, call: Callable[[], None]) -> object:
        assert delay == 0
        self.calls.append(call)
        return call

    def turn(self, count: int = 1) -> None:
        """
        Let the reactor turn.
        """
        for _ in range(count):
            calls, self.calls = self.calls, []
            for call in calls:
                call()


class ReauthorizingTests(SynchronousTestCase):
    """
    Tests for L{Reauthorizing}.
    """

    def setUp(self) -> None:
        self.clock = Turns()
        self.reauthorizing = Reauthorizing(self.clock)  # type: ignore[arg-type]
        self.done: list[str] = []

    def work(self, name: str, steps: int) -> Iterator[None]:
        """
        Something to do.
        """
        for _ in range(steps):
            self.done.append(name)
            yield

    def test_atOnce(self) -> None:
        """
        A little work runs at once, each time.
        """
        for name in "abc":
            self.reauthorizing.ask(name, self.work(name, 3))
        self.assertEqual(self.done, list("aaabbbccc"))
        self.clock.turn()
        self.assertEqual(self.clock.calls, [])

    def test_turns(self) -> None:
        """
        One turn runs a limited number of steps; the rest runs in later turns, where a client with
        little work does not wait for one with much.
        """
        self.reauthorizing.ask("a", self.work("a", 10 * STEPS))
        self.reauthorizing.ask("b", self.work("b", 2))
        self.assertEqual(self.done, ["a"] * STEPS)
        self.clock.turn()
        self.assertEqual(self.done.count("b"), 2)
        self.assertLessEqual(len(self.done), 2 * STEPS)
        self.clock.turn(20)
        self.assertEqual(len(self.done), 10 * STEPS + 2)
        self.assertEqual(self.clock.calls, [])

    def test_again(self) -> None:
        """
        New work for a client replaces the rest of its earlier work.
        """
        for n in range(900):
            self.reauthorizing.ask("a", self.work(str(n), 990))
        self.clock.turn(30)
        self.assertEqual(self.done.count("899"), 990)
        self.assertLess(len(self.done), 2 * 990)

    def test_stop(self) -> None:
        """
        A stop drops the work that is left, and the turn that was scheduled for it.  Clients that
        go after it schedule no other.
        """
        clock = Clock()
        reauthorizing = Reauthorizing(clock)
        reauthorizing.ask("a", self.work("a", 3 * STEPS))
        self.assertTrue(reauthorizing.isBusy)
        reauthorizing.stop()
        self.assertFalse(reauthorizing.isBusy)
        reauthorizing.ask("b", self.work("b", 3 * STEPS))
        self.assertEqual(clock.getDelayedCalls(), [])
        self.assertEqual(len(self.done), STEPS)


class SessionTests(SynchronousTestCase):
    """
    Sessions whose rights the daemon checks again.
    """

    def test_manyTopics(self) -> None:
        """
        The daemon checks every topic of a client over several turns, and skips a topic that the
        client has left meanwhile.
        """
        world = World()
        client = world.connect(userId="ann")
        topics = [f"chat/{n}" for n in range(3 * STEPS)]
        for topic in topics:
            client.ask(type="subscribe", topic=topic)
        checked: list[str] = []

        def permit(identity: object, action: object, topic: object) -> None:
            checked.append(str(topic))

        self.patch(world.feeds, "permit", permit)
        client.session.reauthorize()
        self.assertEqual(len(checked), STEPS)
        client.send(type="unsubscribe", topic=topics[-1])
        client.take()
        self.assertEqual(len(checked), 3 * STEPS - 1)

    def test_end(self) -> None:
        """
        When very many clients go at once, the daemon takes back what they held over several turns.
        """
        world = World()
        clients = [world.connect(userId=f"user{n}") for n in range(STEPS)]
        registry, presence = world.hub.registry, world.hub.presence.rosters
        for client in clients:
            for n in range(3 * PIECE):
                client.send(type="subscribe", topic=f"chat/{n}")
            client.send(type="track", topic="doc/a", state={})
            client.take()
        world.turn()
        for client in clients:
            client.close()
        self.assertEqual(registry.count(clients[0].session), 0)
        held = sum(registry.count(client.session) for client in clients)
        self.assertGreaterEqual(held, STEPS * 2 * PIECE - PIECE)
        self.assertGreater(presence.count("doc/a/p"), 0)
        for _ in range(6):
            world.clock.advance(0)
        self.assertEqual((len(registry), presence.count("doc/a/p")), (0, 0))
        self.assertEqual(world.shares.subscriptions["p"], 0)

    def test_lost(self) -> None:
        """
        The presence of a client whose connection was lost waits for it, even while very many other
        clients end.
        """
        world = World()
        crowd = [world.connect() for _ in range(2 * STEPS)]
        ann = world.connect(userId="ann")
        ann.ask(type="track", topic="doc/a", state={})
        for client in crowd:
            client.die()
        ann.die()
        for _ in range(6):
            world.clock.advance(0)
        again = world.connect(userId="ann")
        again.ask(type="track", topic="doc/a", state={})
        self.assertEqual(world.hub.presence.rosters.count("doc/a/p"), 1)
