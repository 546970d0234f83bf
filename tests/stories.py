"""
What the stories that random tests tell have in common.
"""

from __future__ import annotations

from aerostack.testing import World


class SlowStory:
    """
    A story of a world whose database may take its time; to be mixed in.
    """

    world: World

    def slow(self) -> None:
        """Let the database take its time to read."""
        if self.world.tracker.reading is None:
            self.world.tracker.reading = []

    def answer(self) -> None:
        """Let it answer one question."""
        if self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()

    def fast(self) -> None:
        """Let it answer all, and at once from now on."""
        while self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()
        self.world.tracker.reading = None
