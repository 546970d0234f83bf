"""
Brings kept messages into the logs that the node which kept them did not bring there, or did not
bring there yet.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Kept
from aerostack.core.replay.tags import keptTag
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.questions import Questions
from aerostack.engine.valkey.queues import Item
from aerostack.engine.valkey.refusals import LOST
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IHistory

PAGE = 200
"""How many messages are read at once."""

PAUSE = 1.0
"""How long to wait between two tries to bring what is owed, in seconds."""


class Filling:
    """
    The kept messages that the logs lack.

    @ivar maxCount: How many messages are brought into a log at once.  Beyond it the log is made
        anew, and every subscriber reads the history for itself.
    @ivar maxBytes: How many bytes of data they may have.
    @ivar maxOwed: On how many topics messages may be owed.  Beyond it the topic that has owed for
        longest is left to the next message that is kept on it.
    """

    maxCount = 1_000
    maxBytes = 4_194_304
    maxOwed = 10_000

    _logger = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        questions: Questions,
        history: IHistory,
        put: Callable[[str, list[Item]], None],
    ) -> None:
        """
        @param put: Puts messages into a topic's log.
        """
        self._clock = clock
        self._questions = questions
        self._history = history
        self._put = put
        self._owed: OrderedDict[str, int] = OrderedDict()
        self._next: IDelayedCall | None = None

    @property
    def owed(self) -> int:
        """On how many topics messages are owed."""
        return len(self._owed)

    def owe(self, topic: str, mark: int) -> None:
        """
        Note that a kept message did not enter the log.

        @param mark: The message's mark.
        """
        self._owed[topic] = max(mark, self._owed.get(topic, 0))
        if len(self._owed) > self.maxOwed:
            self._owed.popitem(last=False)
        self._later()

    def missing(self, topic: str, epoch: str, after: int, until: int) -> Deferred[list[Item]]:
        """
        Give the kept messages of a topic after one mark and up to another, oldest first, each with
        the mark before it.  If they are too many, the log is made anew at the later mark, and there
        are none.

        @param epoch: The log's epoch.
        @return: Fails with L{RealtimeError} or L{ValkeyError}.
        """
        return ensureDeferred(self._missing(topic, epoch, after, until))

    async def _missing(self, topic: str, epoch: str, after: int, until: int) -> list[Item]:
        found: list[Kept] = []
        before, size, isOver = until + 1, 0, until <= after
        while not isOver:
            page: list[Kept] = await self._history.page(topic, PAGE, before)
            rows = [kept for kept in page if kept.createdAt > after]
            found += rows
            size += sum(len(kept.message.data) for kept in rows)
            if len(found) > self.maxCount or size > self.maxBytes:
                await self._questions.compare([topic], [Position(epoch, 0, until, seen=True)])
                return []
            isOver = len(rows) < len(page) or not page
            before = page[-1].createdAt if page else 0
        items: list[Item] = []
        for kept in reversed(found):
            items.append(Item(kept.publication, keptTag(topic, kept.message.id), after))
            after = kept.createdAt
        return items

    def stop(self) -> None:
        """
        Bring nothing more.
        """
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._owed.clear()

    def _begin(self) -> None:
        self._next = None
        ensureDeferred(self._settleAll()).addErrback(
            lambda failure: self._logger.failure("Bringing kept messages failed", failure)
        ).addCallback(lambda _: self._later())

    def _later(self) -> None:
        if self._next is None and self._owed:
            self._next = self._clock.callLater(PAUSE, self._begin)

    async def _settleAll(self) -> None:
        """Bring what is owed.  What cannot be brought stays owed."""
        for topic, mark in tuple(self._owed.items()):
            try:
                await self._settle(topic, mark)
            except LOST:
                return
            except (ValkeyError, RealtimeError) as error:
                self._logger.warn(
                    "Kept messages could not be brought to the engine yet: {error}",
                    error=str(error),
                )
                return
            if self._owed.get(topic) == mark:
                del self._owed[topic]

    async def _settle(self, topic: str, mark: int) -> None:
        [head] = await self._questions.heads([topic])
        if head is None:
            # No node follows the topic.
            return
        items = await self._missing(topic, head.epoch, head.mark, mark)
        if items:
            self._put(topic, items)
