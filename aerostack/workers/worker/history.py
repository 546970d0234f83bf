"""
Kept messages, as a worker reads them through the hub.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.replay.publications import Kept
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.workers.messages.reads import (
    Located,
    LocateMessages,
    ReadMessages,
    ReadPage,
    Surveyed,
    SurveyMessages,
    decodeKept,
)
from aerostack.workers.worker.questions import Questions, second


@implementer(IKeptMessages)
class RemoteHistory:
    """
    Reads the kept messages of every topic.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def page(self, topic: str, limit: int, before: int | None) -> Deferred[list[Kept]]:
        return self._questions.read(
            lambda number: ReadPage(number, topic, limit, before), decodeKept
        ).addCallback(second)

    def surveyPast(
        self, topic: str, after: int, until: int, most: int, now: int, seen: bool = False
    ) -> Deferred[str | None]:
        def read(answer: Surveyed) -> str | None:
            return answer.reason

        asking = self._questions.ask(lambda: SurveyMessages(topic, after, until, most, now, seen))
        return asking.addCallback(read)

    def locatePast(self, topic: str, until: int, count: int) -> Deferred[int]:
        def read(answer: Located) -> int:
            return answer.after

        return self._questions.ask(lambda: LocateMessages(topic, until, count)).addCallback(read)

    def readPast(
        self, topic: str, after: int, until: int, limit: int, size: int, partial: bool = False
    ) -> Deferred[list[Kept]]:
        return self._questions.read(
            lambda number: ReadMessages(number, topic, after, until, limit, size, partial),
            decodeKept,
        ).addCallback(second)
