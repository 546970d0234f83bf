"""
Tests of deleting messages that are too old or too many, for every database.
"""

from __future__ import annotations

from tests.databases.contracts.history import ROOM, HistoryContract


class ExpireContract(HistoryContract):
    """
    Deleting messages.
    """

    def expire(self, now: int = 0) -> list[int]:
        """
        Expire until nothing is left to delete.

        @return: How many messages each step deleted.
        """
        deleted = []
        while step := self.successResultOf(self.history.expire(now)):
            deleted.append(step)
        return deleted

    def test_unlimited(self) -> None:
        """
        Without limits no message is deleted.
        """
        self.keep(1)
        self.assertEqual(self.expire(10**15), [])
        self.assertEqual(self.times(), [1])

    def test_age(self) -> None:
        """
        Messages older than the limit are deleted in every topic.
        """
        self.history = self.makeHistory(2.0, None)
        for topic in (ROOM, "chat/b/p"):
            for time in (1000, 2999, 3000, 4000):
                self.keep(time, topic)
        self.assertEqual(self.expire(5000), [4])
        self.assertEqual((self.times(), self.times("chat/b/p")), ([4000, 3000], [4000, 3000]))

    def test_count(self) -> None:
        """
        Each topic keeps its newest messages.
        """
        self.history = self.makeHistory(None, 2)
        for time in (1, 2, 3, 4):
            self.keep(time)
        self.keep(1, "chat/b/p")
        self.assertEqual(self.expire(), [2])
        self.assertEqual((self.times(), self.times("chat/b/p")), ([4, 3], [1]))
        self.keep(5)
        self.assertEqual(self.expire(), [1])
        self.assertEqual(self.times(), [5, 4])

    def test_earlierRun(self) -> None:
        """
        The topics of an earlier run are expired too.
        """
        topics = ("chat/a/p", "chat/a/pp", "chat/a/p/p", "chat/ab/p", "chat/é/p", "chat/A/p")
        for topic in topics:
            for time in (1, 2, 3):
                self.keep(time, topic)
        self.history = self.makeHistory(None, 1)
        self.expire()
        self.assertEqual([self.times(topic) for topic in topics], [[3]] * len(topics))

    def test_smallSteps(self) -> None:
        """
        No step deletes more than a batch; together they delete everything, the oldest first.
        """
        self.history = self.makeHistory(None, 1)
        self.history.batch = 3
        for time in range(1, 6):
            for topic in (ROOM, "chat/b/p"):
                self.keep(time, topic)
        self.assertEqual(self.successResultOf(self.history.expire(0)), 3)
        self.assertIn([5, 4], [self.times(), self.times("chat/b/p")])
        steps = self.expire()
        self.assertEqual((sum(steps), max(steps)), (5, 3))
        self.assertEqual((self.times(), self.times("chat/b/p")), ([5], [5]))
