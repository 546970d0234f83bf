"""
A model whose answers a test gives, in a L{World<aerostack.testing.World>}.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.answers.growth import Growth
from aerostack.errors import RealtimeError


class Model:
    """
    A model whose answers the test gives.

    @ivar receiver: Takes the newest answer.
    @ivar asked: How many answers were asked for.
    @ivar cancelled: How many answers were cancelled.
    @ivar isFull: Whether it refuses more.
    """

    unwatched: float | None = None

    def __init__(self) -> None:
        self.receiver: Any = None
        self.asked = 0
        self.cancelled = 0
        self.isFull = False

    def ask(self, request: Any, receiver: Any) -> Any:
        if self.isFull:
            raise RealtimeError("overloaded", "Too much.", 1000)
        self.asked += 1
        self.receiver = receiver
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def grow(self, *growths: Growth) -> None:
        """
        Say something more.
        """
        self.receiver.grown(growths)

    # IModels

    def find(self, project: str, name: str | None) -> Any:
        if name not in (None, "default"):
            raise RealtimeError("unknown_model", f"The project may use no model {name}.")
        return self
