"""
Asks several workers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from twisted.internet.defer import DeferredList, inlineCallbacks
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.workers.supervisor import Supervisor


class WorkerQuestions:
    """
    Asks the workers of a supervisor.
    """

    log = Logger()

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    @inlineCallbacks
    def ask(
        self,
        question: Callable[[str], Any],
        timeout: float,
        among: Container[str] | None = None,
    ) -> Any:
        """
        Ask workers.  The log says which of them did not answer.

        @param question: Makes the question for a worker, from the worker's name.
        @param timeout: Seconds that each has for its answer.
        @param among: The names of those that are asked; L{None} for all that run.
        @return: A L{Deferred} of the answers, by the workers' names.  The answer of a worker that
            did not answer is L{None}.
        """
        workers = self._supervisor.workers
        names = [name for name in workers if among is None or name in among]
        asked = [workers[name].channel.ask(question(name), timeout) for name in names]
        found = yield DeferredList(asked, consumeErrors=True)
        answers: dict[str, Any] = {}
        for name, (worked, answer) in zip(names, found, strict=True):
            answers[name] = answer if worked else None
            if not worked:
                self.log.warn(
                    "{worker} did not answer: {reason}", worker=name, reason=_reason(answer)
                )
        return answers


def _reason(failure: Failure) -> str:
    return failure.getErrorMessage() or str(failure.type)
