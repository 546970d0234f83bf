"""
Tests for L{aerostack.core.replay.logs}.
"""

from __future__ import annotations

from itertools import count
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import OVERHEAD, Depth, TopicLog
from aerostack.core.replay.logs import COST, TopicLogs
from aerostack.core.replay.positions import Position
from tests.fuzz import seeds

FRAME = b"x" * (1000 - OVERHEAD)
"""A frame that takes a thousand bytes with what it costs beside."""


class TopicLogsTests(SynchronousTestCase):
    """
    Tests for L{TopicLogs}.
    """

    def setUp(self) -> None:
        epochs = iter(f"e{n}" for n in range(1000))
        self.logs = TopicLogs(lambda topic: Depth(100, 100_000, 60.0), lambda: next(epochs), 5000)
        self.left: set[str] = set()
        self.logs.needed = lambda topic: topic not in self.left

    def append(self, topic: str, count: int = 1, now: float = 0.0) -> None:
        """
        Add entries to a topic's log.
        """
        log = self.logs.open(topic, 0, now)
        for _ in range(count):
            self.logs.append(topic, log, FRAME, None, None, now)

    def lengths(self, *topics: str) -> list[int | None]:
        """
        How many entries the logs have; L{None} where there is no log.
        """
        found = [self.logs.get(topic) for topic in topics]
        return [None if log is None else len(log) for log in found]

    def test_open(self) -> None:
        """
        A topic keeps the log that it has, and no two logs have the same epoch.
        """
        first = self.logs.open("a", 5, 0.0, "j")
        self.assertIs(self.logs.open("a", 9, 1.0, "k"), first)
        self.assertIs(self.logs.get("a"), first)
        self.assertEqual((first.mark, first.lineage), (5, "j"))
        self.assertNotEqual(self.logs.open("b", 0, 0.0).epoch, first.epoch)
        self.assertEqual(len(self.logs), 2)

    def test_topics(self) -> None:
        """
        All topics that have a log are listed.
        """
        self.append("a", 1)
        self.append("b", 1)
        self.append("a", 1)
        self.logs.open("c", 0, 0.0)
        self.logs.drop("b")
        self.assertEqual(set(self.logs.topics()), {"a", "c"})

    def test_budget(self) -> None:
        """
        All logs together never hold more than the budget; those of a project that were quiet for
        longest lose their entries first.
        """
        self.append("a/p", 2)
        self.append("b/p", 2)
        self.append("a/p", 1)
        self.append("c/p", 1)
        self.assertEqual(self.lengths("a/p", "b/p", "c/p"), [3, 1, 1])
        self.append("c/p", 3)
        self.assertEqual(self.lengths("a/p", "b/p", "c/p"), [1, 0, 4])
        self.assertEqual(self.logs.size, 5000)

    def test_projects(self) -> None:
        """
        If too much is held, the project that holds the most loses entries, however quiet the
        others are.
        """
        self.append("quiet/q", 2)
        self.append("a/p", 2)
        self.append("b/p", 4)
        self.assertEqual(self.lengths("quiet/q", "a/p", "b/p"), [2, 0, 3])
        self.logs.drop("b/p")
        self.append("a/p", 1)
        self.assertEqual(self.lengths("quiet/q", "a/p"), [2, 1])

    def test_oneAlone(self) -> None:
        """
        One topic alone does not hold more than the budget either.
        """
        self.append("a", 20)
        self.assertEqual(self.lengths("a"), [5])
        self.assertEqual(self.logs.size, 5000)

    def test_drop(self) -> None:
        """
        The entries of a dropped log are not counted any more.
        """
        self.append("a", 2)
        self.append("b", 1)
        self.logs.drop("a")
        self.assertIsNone(self.logs.drop("never there"))
        self.assertEqual((self.lengths("a", "b"), self.logs.size), ([None, 1], 1000))

    def test_restart(self) -> None:
        """
        A restarted log is a new one of the same lineage.
        """
        old = self.logs.open("a", 5, 0.0, "j")
        self.append("a", 2)
        self.logs.restart("a", 9, 1.0)
        new = self.logs.get("a")
        assert new is not None
        self.assertNotEqual(new.epoch, old.epoch)
        self.assertEqual((len(new), new.mark, new.lineage, self.logs.size), (0, 9, "j", 0))

    def test_restartNothing(self) -> None:
        """
        A topic without a log does not get one by a restart.
        """
        self.logs.restart("a", 9, 1.0)
        self.assertEqual(len(self.logs), 0)

    def test_expire(self) -> None:
        """
        Old entries go, and an empty log goes with them if it is not needed.
        """
        self.left = {"idle", "young"}
        self.logs.budget = 20_000
        self.append("needed", 1, 0.0)
        self.append("idle", 1, 0.0)
        self.append("young", 1, 30.0)
        tuple(self.logs.expire(60.0))
        self.assertEqual(self.lengths("needed", "idle", "young"), [1, 1, 1])
        tuple(self.logs.expire(61.0))
        self.assertEqual(self.lengths("needed", "idle", "young"), [0, None, 1])
        self.assertEqual(self.logs.size, 1000)

    def test_quiet(self) -> None:
        """
        After it was left, a log without entries stays for as long as one with entries.
        """
        self.append("quiet", 1, 0.0)
        tuple(self.logs.expire(500.0))
        self.left.add("quiet")
        self.logs.leave("quiet", 500.0)
        tuple(self.logs.expire(560.0))
        self.assertEqual(self.lengths("quiet"), [0])
        self.logs.need("quiet")
        self.left.clear()
        tuple(self.logs.expire(1000.0))
        self.assertEqual(self.lengths("quiet"), [0])
        self.left.add("quiet")
        self.logs.leave("quiet", 1000.0)
        tuple(self.logs.expire(1060.1))
        self.assertEqual(self.lengths("quiet"), [None])

    def test_idle(self) -> None:
        """
        Logs that are not needed take at most a quarter of the budget; those that were left last
        stay, and so does one with a publication on its way.
        """
        self.logs.budget = 4 * 10 * (COST + 6)
        self.left = {f"t{number:03}/p" for number in range(1, 100)}
        for number in range(100):
            self.logs.open(f"t{number:03}/p", 0, 0.0)
            if not number:
                self.logs.leave("t000/p", 0.0)
        self.assertEqual(
            sorted(self.logs.topics()), ["t000/p", *(f"t{n:03}/p" for n in range(91, 100))]
        )

    def test_idleProjects(self) -> None:
        """
        If logs that are not needed take too much, those of the project with the most of them go.
        """
        self.logs.budget = 4 * (9 * (COST + 6) + COST + 7)
        self.left = {"quiet/q", *(f"t{number:03}/p" for number in range(20))}
        self.logs.open("quiet/q", 0, 0.0)
        for number in range(20):
            self.logs.open(f"t{number:03}/p", 0, 0.0)
        # Two go for one that comes.
        self.assertEqual(
            sorted(self.logs.topics()), ["quiet/q", *(f"t{n:03}/p" for n in range(12, 20))]
        )

    def test_truth(self) -> None:
        """
        In any random run the counted sizes are the true ones.
        """
        for seed in seeds(30):
            self.run_(Random(seed), seed)

    def run_(self, random: Random, seed: int) -> None:
        """
        One random run.
        """
        epochs = count()
        logs = TopicLogs(
            lambda topic: Depth(random.choice((3, 50)), 3000, 20.0),
            lambda: f"e{next(epochs)}",
            random.choice((4000, 40_000)),
        )
        needed: set[str] = set()
        logs.needed = needed.__contains__
        now = 0.0
        for _ in range(400):
            now += random.choice((0.0, 0.1, 5.0))
            topic = f"t{random.randrange(12)}/{random.choice('pq')}"
            log = logs.get(topic)
            what = random.randrange(8)
            if what < 3:
                log = logs.open(topic, 0, now)
                logs.append(topic, log, b"x" * random.randrange(900), None, None, now)
            elif what == 3 and log is not None:
                log.resume(Position(log.epoch, random.randrange(5), 0), now)
            elif what == 4:
                logs.drop(topic) if random.random() < 0.5 else logs.restart(topic, 1, now)
            elif what == 5:
                needed.add(topic)
                logs.need(topic)
            elif what == 6:
                needed.discard(topic)
                logs.leave(topic, now)
            else:
                tuple(logs.expire(now, 3))
            held = [logs.get(topic) for topic in logs.topics()]
            sizes = [each.size for each in held if each is not None]
            entries = [
                sum(entry.size for entry in each._entries) for each in held if each is not None
            ]
            self.assertEqual((logs.size, sizes), (sum(sizes), entries), f"seed {seed}")
            self.assertLessEqual(logs.size, logs.budget, f"seed {seed}")
            shares = logs._shares.values()
            self.assertEqual(logs.size, sum(share.size for share in shares), f"seed {seed}")
            idle = {topic for share in shares for topic in share.idle}
            self.assertEqual(
                logs._idleSize, sum(COST + len(topic) for topic in idle), f"seed {seed}"
            )
            self.assertEqual(
                logs._idleSize, sum(share.idleSize for share in shares), f"seed {seed}"
            )
            self.assertLessEqual(idle, set(logs.topics()), f"seed {seed}")
            # Each that is not needed will go.
            self.assertEqual(
                {topic for topic in logs.topics() if topic not in needed} - idle,
                set(),
                f"seed {seed}",
            )

    def test_drained(self) -> None:
        """
        A publication does not look at empty logs.
        """
        for number in range(100):
            self.append(f"t{number}/p")
        looked: list[str] = []
        shrink = TopicLog.shrink

        def look(log: TopicLog, size: int) -> None:
            looked.append(log.epoch)
            shrink(log, size)

        self.patch(TopicLog, "shrink", look)
        self.append("last/p", 20)
        self.assertLessEqual(len(looked), 25)
        self.assertEqual(self.logs.size, 5000)

    def test_breakOff(self) -> None:
        """
        A log that is broken off is dropped, or begins anew if it is needed.
        """
        for topic in ("a", "b", "c"):
            self.append(topic)
        before = {topic: self.logs.get(topic) for topic in ("b", "c")}
        self.left.add("a")
        for _ in self.logs.breakOff(lambda topic: topic != "c", 1.0):
            pass
        self.assertEqual(self.lengths("a", "b", "c"), [None, 0, 1])
        self.assertIs(self.logs.get("c"), before["c"])
        self.assertEqual(self.logs.size, 1000)

    def test_breakOffInPieces(self) -> None:
        """
        One step looks at a bounded number of logs, even if few are wanted; it skips a log that was
        dropped meanwhile.
        """
        for number in range(10):
            self.append(f"t{number}")
        second = self.logs.get("t1")
        looked: list[str] = []

        def wanted(topic: str) -> bool:
            looked.append(topic)
            return topic in ("t0", "t9")

        steps = self.logs.breakOff(wanted, 1.0, 4)
        next(steps)
        self.assertEqual(len(looked), 4)
        self.logs.drop("t9")
        self.assertEqual(sum(1 for _ in steps), 2)
        self.assertEqual(self.lengths("t0", "t9"), [0, None])
        self.assertIs(self.logs.get("t1"), second)
