"""
The values of keyed topics, as a worker reads them through the hub.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.keyed.values import Value
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.workers.messages.keyed import ReadValues, decodeKeyed
from aerostack.workers.worker.questions import Questions, second


@implementer(IKeyedValues)
class RemoteValues:
    """
    Reads the values of keyed topics.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def page(self, topic: str, after: int, limit: int, size: int) -> Deferred[list[Value]]:
        return self._questions.read(
            lambda number: ReadValues(number, topic, after, limit, size), decodeKeyed
        ).addCallback(second)
