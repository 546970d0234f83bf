"""
The statements of C{db.query}, as a worker has the hub run them.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred

from aerostack.workers.messages.reads import QueryRun, RunQuery
from aerostack.workers.messages.values import decodeRows, decodeValues, encodeValues
from aerostack.workers.worker.questions import Questions


class RemoteQueries:
    """
    Has statements run.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def run(self, sql: str, parameters: list[Any]) -> Deferred[dict[str, Any]]:
        """
        Run one statement.

        @return: Its result as JSON.  Fails with L{RealtimeError}.
        """

        def read(result: tuple[QueryRun, list[Any]]) -> dict[str, Any]:
            answer, rows = result
            return {"results": rows, **decodeValues(answer.rest)}

        return self._questions.read(
            lambda number: RunQuery(number, sql, Raw(encodeValues(parameters))), decodeRows
        ).addCallback(read)
