"""
Tests for L{aerostack.core.roster}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.roster import FEW, MOST, MOST_BYTES, Roster
from tests.fuzz import seeds


def fill(roster: Roster[int], count: int, size: int = 10) -> None:
    """
    Add members named C{m1}, C{m2} and so on.
    """
    for number in range(1, count + 1):
        roster.put(f"m{number}", number, size)


def blocks(roster: Roster[int]) -> list[list[int]]:
    """
    The members of each block.
    """
    return [list(block) for block in roster.blocks]


class RosterTests(SynchronousTestCase):
    """
    Tests for L{Roster}.
    """

    def setUp(self) -> None:
        self.roster: Roster[int] = Roster()

    def test_order(self) -> None:
        """
        Members come in the order in which they joined, even if their state changes.
        """
        fill(self.roster, 200)
        self.roster.put("m7", 7, 400)
        self.assertEqual(list(self.roster), list(range(1, 201)))
        self.assertEqual(
            (len(self.roster), self.roster.get("m9"), self.roster.get("x")), (200, 9, None)
        )

    def test_blocks(self) -> None:
        """
        A block has a bounded number of members, and a bounded size.
        """
        fill(self.roster, 2 * MOST + 1)
        self.assertEqual([len(block) for block in blocks(self.roster)], [MOST, MOST, 1])
        large: Roster[int] = Roster()
        fill(large, 5, MOST_BYTES // 2)
        self.assertEqual(blocks(large), [[1, 2], [3, 4], [5]])

    def test_grown(self) -> None:
        """
        A block whose members have grown is split in two.
        """
        fill(self.roster, 10)
        for number in range(1, 11):
            self.roster.put(f"m{number}", number, MOST_BYTES // 4)
        self.assertGreater(len(blocks(self.roster)), 1)
        for block in self.roster.blocks:
            self.assertLessEqual(block.size, 2 * MOST_BYTES)
        self.assertEqual(list(self.roster), list(range(1, 11)))

    def test_shrunk(self) -> None:
        """
        After most members have left, few blocks are left.
        """
        fill(self.roster, 50 * MOST)
        for number in range(1, 50 * MOST + 1):
            if number % MOST:
                self.roster.remove(f"m{number}")
        self.assertLess(len(blocks(self.roster)), 8)
        self.assertEqual(list(self.roster), [MOST * n for n in range(1, 51)])
        self.assertLess(FEW, MOST)

    def test_told(self) -> None:
        """
        A change of a member discards the encoded form of its block, and of no other block.
        """
        fill(self.roster, 3 * MOST)
        for block in self.roster.blocks:
            block.encoded = "text"
        self.roster.encoded = "all"
        self.roster.put("m1", 1, 11)
        self.roster.remove(f"m{3 * MOST}")
        self.assertEqual([block.encoded for block in self.roster.blocks], [None, "text", None])
        self.assertIsNone(self.roster.encoded)

    def test_reading(self) -> None:
        """
        A reader that gets block after block, and each change meanwhile, has exactly the members in
        the end.
        """
        for seed in seeds(30):
            self.read(Random(seed), seed)

    def read(self, random: Random, seed: int) -> None:
        """
        Read a roster once while it changes at random.
        """
        roster: Roster[int] = Roster()
        truth: dict[str, int] = {}
        seen: dict[str, int] = {}

        def change() -> None:
            name = f"m{random.randrange(400)}"
            if name in truth and random.random() < 0.5:
                del truth[name]
                seen.pop(name, None)
                roster.remove(name)
            else:
                truth[name] = seen[name] = random.randrange(1000)
                roster.put(name, truth[name], random.choice((10, 400, 20_000)))

        for _ in range(random.randrange(600)):
            change()
        seen.clear()
        reached, until = 0, roster.head
        while reached < until:
            block = roster.after(reached)
            if block is None:
                break
            reached = block.high
            seen.update({name: seat.member for name, seat in block.seats.items()})
            for _ in range(random.choice((0, 1, 60))):
                change()
        self.assertEqual(seen, truth, f"seed {seed}")
        self.assertEqual(sorted(roster), sorted(truth.values()), f"seed {seed}")
        self.assertEqual(
            roster.size,
            sum(s.size for b in roster.blocks for s in b.seats.values()),
            f"seed {seed}",
        )
