"""
Tests for the scene of small rooms in C{bench/rooms.py} and C{bench/roommarks.py}.
"""

from __future__ import annotations

from dataclasses import replace

from plan import Plan
from results import Results
from roommarks import judgeRooms, roomTable
from rooms import held, perPublish, rates
from twisted.trial.unittest import SynchronousTestCase

GOOD: dict[str, float] = {
    "offered": 4_000,
    "publishes": 4_000,
    "p50": 1,
    "p99": 5,
    "max": 9,
    "cpu": 20,
    "lag": 0.1,
    "work": 50,
}


class HeldTests(SynchronousTestCase):
    """
    Tests for L{held}, L{perPublish} and L{rates}.
    """

    def test_highest(self) -> None:
        """
        A system holds the highest rate at which its publications passed in time.
        """
        found = [
            {**GOOD, "offered": 2_000, "publishes": 2_000},
            {**GOOD, "offered": 4_000},
            {**GOOD, "offered": 8_000, "publishes": 8_000, "p99": 20.5},
            {**GOOD, "offered": 9_000, "publishes": 8_000},
        ]
        self.assertEqual(held(found), 4_000)

    def test_none(self) -> None:
        """
        A system whose deliveries never came in the measured time holds nothing.
        """
        self.assertEqual(held([{**GOOD, "p99": -1}]), 0)

    def test_work(self) -> None:
        """
        The work for a publication is the processor time of those that passed.
        """
        self.assertEqual(perPublish(GOOD), 50)
        self.assertIsNone(perPublish({**GOOD, "publishes": 0}))

    def test_rungs(self) -> None:
        """
        A short plan has the lowest rates, which rise.
        """
        self.assertEqual(rates(2, replace(Plan(), rungs=2)), (2_000, 4_000))
        for members in Plan().rooms:
            self.assertEqual(list(rates(members, Plan())), sorted(set(rates(members, Plan()))))


class RoomMarkTests(SynchronousTestCase):
    """
    Tests for L{judgeRooms} and L{roomTable}.
    """

    def setUp(self) -> None:
        self.results = Results()
        self.results.labels = {"aerostack": "ours", "ws": "theirs"}

    def add(self, system: str, most: float, **values: float) -> None:
        """
        Add the results of one system.
        """
        self.results.add(system, "rooms/2", {"held": most})
        for rate in (2_000, 4_000):
            self.results.add(system, f"rooms/2/{rate}", {**GOOD, "offered": rate, **values})

    def verdicts(self) -> list[tuple[str, bool | None]]:
        """
        Judge.

        @return: The mark and whether it is reached.
        """
        return [(mark.wanted, mark.reached) for mark in judgeRooms(self.results)]

    def test_reached(self) -> None:
        """
        A daemon that holds enough, and needs little more than its peer, reaches all marks.
        """
        self.add("aerostack", 20_000, work=79, p99=6)
        self.add("ws", 30_000)
        self.assertEqual(
            self.verdicts(),
            [(">= 20,000", True), (">= 0.6", True), ("<= 1.6", True), ("<= 1.2", True)],
        )

    def test_missed(self) -> None:
        """
        A daemon that holds too little, and needs more than its peer, misses them.
        """
        self.add("aerostack", 16_000, work=81, p99=6.1)
        self.add("ws", 30_000)
        self.assertEqual([reached for _, reached in self.verdicts()], [False] * 4)

    def test_alone(self) -> None:
        """
        Without its peer, the daemon has the one mark that needs none.
        """
        self.add("aerostack", 25_000)
        self.assertEqual(self.verdicts(), [(">= 20,000", True)])

    def test_table(self) -> None:
        """
        The table has a row for each rate of each system, and none for rates that were not tried.
        """
        self.add("aerostack", 4_000)
        self.add("ws", 4_000)
        rows = roomTable(self.results, Plan()).rows
        self.assertEqual(
            [row[:3] for row in rows],
            [
                ["2", "ours", "2,000"],
                ["2", "ours", "4,000"],
                ["2", "theirs", "2,000"],
                ["2", "theirs", "4,000"],
            ],
        )
