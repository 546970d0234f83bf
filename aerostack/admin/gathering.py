"""
Answers an operator for all processes of the daemon: each says what it knows, and the answers are
put together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from aerostack.admin import diagnosis, topics
from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.sampler import Sampler
from aerostack.admin.topics import Shown
from aerostack.core.diagnosis.evidence import joinEvidence
from aerostack.core.diagnosis.merging import (
    mergeConnections,
    mergeTopic,
    mergeTopics,
    mergeWork,
)
from aerostack.core.diagnosis.questions import (
    HUB,
    AskConnections,
    AskEvidence,
    AskTopic,
    AskTopics,
    AskWork,
    Question,
)
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.operating import IProcesses

PATIENCE = 1.0
"""Seconds that a process has to answer."""


@implementer(IProcesses)
class OneProcess:
    """
    The processes of a daemon that has one.
    """

    _answer: Callable[[Question], Any]

    def start(self, answer: Callable[[Question], Any]) -> None:
        self._answer = answer

    def gather(self, question: Question, timeout: float) -> Deferred[dict[str, Any]]:
        answering: Deferred[Any] = maybeDeferred(self._answer, question)
        return answering.addCallback(lambda answer: {"": answer})


class Gathering:
    """
    What an operator asks, and the answers of all processes.

    Where a process has not answered, an answer is partial, and C{missing} names the process.
    """

    def __init__(
        self,
        processes: IProcesses,
        directory: Directory,
        diagnosis: Diagnosis,
        sampler: Sampler,
    ) -> None:
        """
        @param directory: Of this process, as the next ones are.
        """
        self._processes = processes
        self._directory = directory
        self._diagnosis = diagnosis
        self._sampler = sampler
        processes.start(self._answer)

    def _answer(self, question: Question) -> Any:
        """
        Answer for this process.

        @return: The answer, or a L{Deferred} of it.
        """
        if isinstance(question, AskWork):
            return {
                "started": int(self._sampler.started * 1000),
                "feed": self._directory.feed(question.project),
                "samples": self._sampler.samples.since(question.since),
            }
        if isinstance(question, AskConnections):
            topic = None if question.topic is None else topicOf(question.topic)
            return self._directory.connections(
                question.project, question.userId, topic, question.limit, question.after
            )
        if isinstance(question, AskTopics):
            return self._directory.topics(
                question.project, question.prefix, question.limit, question.after
            )
        if isinstance(question, AskTopic):
            return self._directory.topic(topicOf(question.topic))
        return self._diagnosis.examine(question.userId, topicOf(question.topic))

    def work(self, project: str, since: int) -> Deferred[Shown]:
        """
        Say since when the daemon has run, how the change feed is, and how much was done in the last
        seconds.

        @param since: Only samples that ended after this time, milliseconds since the epoch.
        """
        return self._gather(AskWork(project, since), mergeWork)

    def connections(
        self, project: str, userId: str | None, topic: Topic | None, limit: int, after: str
    ) -> Deferred[Shown]:
        """
        List connections; see L{Directory.connections}.
        """
        canonical = None if topic is None else topic.canonical
        return self._gather(
            AskConnections(project, userId, canonical, limit, after),
            lambda answers: mergeConnections(list(answers.values()), limit),
        )

    def topics(self, project: str, prefix: str, limit: int, after: str) -> Deferred[Shown]:
        """
        List topics; see L{Directory.topics}.
        """
        return self._gather(
            AskTopics(project, prefix, limit, after),
            partial(mergeTopics, limit=limit, after=after),
        )

    def topic(self, topic: Topic) -> Deferred[Shown]:
        """
        Show one topic with its subscribers and members.
        """
        return self._gather(
            AskTopic(topic.canonical),
            lambda answers: mergeTopic(list(answers.values()), topics.MOST),
        )

    def explain(self, userId: str, topic: Topic) -> Deferred[Shown]:
        """
        Explain why publications on a topic do or do not reach a user.
        """
        return self._gather(
            AskEvidence(userId, topic.canonical),
            lambda answers: joinEvidence(answers.values(), diagnosis.MOST),
            lambda known: self._diagnosis.conclude(userId, topic, known),
        )

    def _gather(
        self,
        question: Question,
        merge: Callable[[Mapping[str, Any]], Any],
        show: Callable[[Any], Shown] = lambda answer: answer,
    ) -> Deferred[Shown]:
        """
        @param merge: Makes one answer of several, by the names of the processes.
        @param show: Makes of that what the operator gets.
        """

        def shown(answers: Mapping[str, Any]) -> Shown:
            found = {name: each for name, each in answers.items() if each is not None}
            if not found.keys() - {HUB}:
                raise RealtimeError("overloaded", "No process of the daemon has answered.", 1000)
            body = show(next(iter(found.values())) if len(answers) == 1 else merge(found))
            missing = [name for name in answers if name not in found]
            return {**body, "missing": missing} if missing else body

        return self._processes.gather(question, PATIENCE).addCallback(shown)
