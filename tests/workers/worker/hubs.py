"""
A hub that tests of a worker answer for.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred


class FakeHub:
    """
    Keeps what a worker says.
    """

    def __init__(self) -> None:
        self.said: list[Struct] = []
        self.asked: list[Deferred[Any]] = []

    def send(self, message: Struct) -> None:
        self.said.append(message)

    def ask(self, question: Struct, timeout: float | None) -> Deferred[Any]:
        self.said.append(question)
        self.asked.append(Deferred())
        return self.asked[-1]
