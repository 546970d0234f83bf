"""
Where new logs begin: at the newest messages that the history has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger

from aerostack.engine.valkey.topics import GROUP
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IHistory


class Marks:
    """
    Reads the marks of topics' newest messages, of many topics with one question.

    One question is open at a time.  The topics that come meanwhile are in the next one.
    """

    _logger = Logger()

    def __init__(
        self,
        history: IHistory,
        found: Callable[[Mapping[str, int]], None],
        failed: Callable[[Sequence[str], RealtimeError], None],
    ) -> None:
        """
        @param found: Gets marks by topic; 0 where there is no message.
        @param failed: Gets topics of which the history did not give the marks, and why.
        """
        self._history = history
        self._found = found
        self._failed = failed
        # The topics, in the order in which they came.
        self._waiting: dict[str, None] = {}
        self._isAsking = False

    def ask(self, topics: Iterable[str]) -> None:
        """
        Have the marks of topics read.
        """
        self._waiting.update(dict.fromkeys(topics))
        if self._waiting and not self._isAsking:
            self._isAsking = True
            ensureDeferred(self._read()).addErrback(
                lambda failure: self._logger.failure("Reading marks failed", failure)
            )

    def forget(self, topic: str) -> None:
        """
        Do not read a topic's mark any more.
        """
        self._waiting.pop(topic, None)

    async def _read(self) -> None:
        try:
            while topics := list(islice(self._waiting, GROUP)):
                for topic in topics:
                    del self._waiting[topic]
                try:
                    marks: Mapping[str, int] = await self._history.newest(topics)
                except RealtimeError as error:
                    self._failed(topics, error)
                else:
                    self._found(marks)
        finally:
            self._isAsking = False
