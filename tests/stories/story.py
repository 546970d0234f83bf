"""
The common parts of random stories.
"""

from __future__ import annotations

from aerostack.testing import World


class SlowStory:
    """
    A mixin for a story of a world whose database may be slow.
    """

    world: World

    def slow(self) -> None:
        """Make reads of the database wait."""
        if self.world.tracker.reading is None:
            self.world.tracker.reading = []

    def answer(self) -> None:
        """Answer one read."""
        if self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()

    def fast(self) -> None:
        """Answer all reads, also future ones."""
        while self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()
        self.world.tracker.reading = None


class SlowKeepingStory:
    """
    A mixin for a story of a world whose database may also be slow to keep messages, and may fail
    to.
    """

    world: World

    def hold(self) -> None:
        """Make writes to the database wait."""
        if self.world.history.held is None:
            self.world.history.held = []

    def release(self) -> None:
        """Do the writes."""
        self.world.history.release()

    def refuse(self) -> None:
        """Make the writes fail."""
        self.world.history.refuse()

    def slow(self) -> None:
        """Make reads of the database wait."""
        if self.world.history.reading is None:
            self.world.history.reading = self.world.tracker.reading = []

    def answer(self) -> None:
        """Answer one read."""
        if self.world.history.reading:
            self.world.history.reading.pop(0)()

    def fast(self) -> None:
        """Answer all reads, also future ones."""
        while self.world.history.reading:
            self.world.history.reading.pop(0)()
        self.world.history.reading = self.world.tracker.reading = None
