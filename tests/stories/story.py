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


class SlowKeepingStory:
    """
    A story of a world whose database may take its time with kept messages as well, and may
    fail to write them; to be mixed in.
    """

    world: World

    def hold(self) -> None:
        """Let the database take its time to write."""
        if self.world.history.held is None:
            self.world.history.held = []

    def release(self) -> None:
        """Let it write."""
        self.world.history.release()

    def refuse(self) -> None:
        """Let it fail to write."""
        self.world.history.refuse()

    def slow(self) -> None:
        """Let the database take its time to read."""
        if self.world.history.reading is None:
            self.world.history.reading = self.world.tracker.reading = []

    def answer(self) -> None:
        """Let it answer one question."""
        if self.world.history.reading:
            self.world.history.reading.pop(0)()

    def fast(self) -> None:
        """Let it answer all, and at once from now on."""
        while self.world.history.reading:
            self.world.history.reading.pop(0)()
        self.world.history.reading = self.world.tracker.reading = None
