"""
Where new logs begin: at the newest messages that the history has.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IHistory

QUESTIONS = 16
"""How many questions to the history are open at once."""


class Marks:
    """
    Reads the marks of topics' newest messages.
    """

    def __init__(self, history: IHistory) -> None:
        self._history = history
        self._turns = DeferredSemaphore(QUESTIONS)

    async def read(self, topics: Iterable[str]) -> tuple[dict[str, int], dict[str, RealtimeError]]:
        """
        @return: The marks by topic, 0 where there is no message; and the errors of those topics of
            which the history did not give the mark.
        """
        marks: dict[str, int] = {}
        failures: dict[str, RealtimeError] = {}

        async def ask(topic: str) -> None:
            try:
                page = await self._turns.run(self._history.page, topic, 1, None)
            except RealtimeError as error:
                failures[topic] = error
            else:
                marks[topic] = page[0].createdAt if page else 0

        await gatherResults([Deferred.fromCoroutine(ask(topic)) for topic in topics])
        return marks, failures
