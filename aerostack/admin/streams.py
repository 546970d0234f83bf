"""
Lists the token streams that a process knows, for an operator.
"""

from __future__ import annotations

from collections.abc import Callable

from aerostack.admin.topics import Shown
from aerostack.core.answers.answer import Answer
from aerostack.core.answers.answers import Answers
from aerostack.core.topics.topics import projectOf

MOST = 200
"""How many streams are shown."""


class StreamDirectory:
    """
    Reads the streams that run.
    """

    def __init__(self, answers: Answers, subscribers: Callable[[str], int]) -> None:
        """
        @param subscribers: Gives the number of subscribers of a canonical topic.
        """
        self._answers = answers
        self._subscribers = subscribers

    def list(self, project: str) -> Shown:
        """
        List the streams that run in a project, the newest first.  There are at most
        C{ai.project_streams} of them.
        """
        running = [answer for answer in self._answers if projectOf(answer.topic) == project]
        running.sort(key=lambda answer: (-answer.began, answer.id))
        return {"streams": [self._row(each) for each in running[:MOST]], "total": len(running)}

    def _row(self, answer: Answer) -> Shown:
        return {
            "stream": answer.id,
            "topic": answer.topic,
            "owner": answer.terms.owner,
            "length": answer.length,
            "began": answer.began,
            "first": answer.first,
            "watchers": self._subscribers(answer.topic),
        }
