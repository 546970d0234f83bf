"""
Answers an operator for all processes of the daemon and for the other nodes: each process says what
it knows, and the answers are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.admin import diagnosis, streams, topics
from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.sampler import Sampler
from aerostack.admin.topics import Shown
from aerostack.core.diagnosis.answers import Answers
from aerostack.core.diagnosis.evidence import Evidence, joinEvidence
from aerostack.core.diagnosis.merging import (
    joinWork,
    mergeConnections,
    mergeRefusals,
    mergeStreams,
    mergeTopic,
    mergeTopics,
    mergeWork,
)
from aerostack.core.diagnosis.questions import (
    HUB,
    AskConnections,
    AskEvidence,
    AskRefusals,
    AskStreams,
    AskTopic,
    AskTopics,
    AskWork,
    Question,
)
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.operating import IProcesses
from aerostack.interfaces.refusals import IRefusals

PATIENCE = 1.0
"""Seconds that a process has to answer."""


class Gathering:
    """
    What an operator asks, and the answers of all processes.

    Where a process or a node has not answered, an answer is partial, and C{missing} names it.
    """

    def __init__(
        self,
        processes: IProcesses,
        directory: Directory,
        diagnosis: Diagnosis,
        sampler: Sampler,
        refusals: IRefusals,
        wall: Callable[[], float],
    ) -> None:
        """
        @param directory: Of this process, as the next ones are.
        @param wall: Gives the time of day, seconds since the epoch.
        """
        self._wall = wall
        self._processes = processes
        self._directory = directory
        self._diagnosis = diagnosis
        self._sampler = sampler
        self._refusals = refusals
        processes.start(self._answer)

    def _answer(self, question: Question) -> Any:
        """
        Answer for this process.

        @return: The answer, or a L{Deferred} of it.
        """
        if isinstance(question, AskWork):
            feed = self._directory.feed(question.project)
            return {**self._sampler.work(question), "feed": feed}
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
        if isinstance(question, AskStreams):
            return self._directory.streams(question.project)
        if isinstance(question, AskRefusals):
            return self._refusals.list(question.project)
        return self._diagnosis.examine(question.userId, topicOf(question.topic))

    def work(self, project: str, since: int) -> Deferred[Shown]:
        """
        Say since when the daemon has run, how the change feed is, and how much was done in the last
        seconds.

        @param since: Only samples that ended after this time, milliseconds since the epoch.
        """
        asked = AskWork(project, since, int(self._wall() * 1000))
        return self._gather(asked, mergeWork, joinWork)

    def connections(
        self, project: str, userId: str | None, topic: Topic | None, limit: int, after: str
    ) -> Deferred[Shown]:
        """
        List connections; see L{Directory.connections}.
        """
        canonical = None if topic is None else topic.canonical
        merge = partial(mergeConnections, limit=limit)
        asked = AskConnections(project, userId, canonical, limit, after)
        return self._gather(asked, merge, merge)

    def topics(self, project: str, prefix: str, limit: int, after: str) -> Deferred[Shown]:
        """
        List topics; see L{Directory.topics}.
        """
        merge = partial(mergeTopics, limit=limit, after=after)
        return self._gather(AskTopics(project, prefix, limit, after), merge, merge)

    def topic(self, topic: Topic) -> Deferred[Shown]:
        """
        Show one topic with its subscribers and members.
        """
        merge = partial(mergeTopic, most=topics.MOST)
        return self._gather(AskTopic(topic.canonical), merge, merge)

    def streams(self, project: str) -> Deferred[Shown]:
        """
        List the token streams that run; see L{Directory.streams}.
        """
        merge = partial(mergeStreams, most=streams.MOST)
        return self._gather(AskStreams(project), merge, merge)

    def refusals(self, project: str) -> Deferred[Shown]:
        """
        List the requests that were refused; see L{aerostack.admin.refusals.Refusals.list}.
        """
        return self._gather(AskRefusals(project), mergeRefusals, mergeRefusals)

    def explain(self, userId: str, topic: Topic) -> Deferred[Shown]:
        """
        Explain why publications on a topic do or do not reach a user.
        """

        def merge(answers: Mapping[str, Evidence]) -> Evidence:
            return joinEvidence(answers.values(), diagnosis.MOST)

        return self._gather(
            AskEvidence(userId, topic.canonical),
            merge,
            merge,
            lambda known: self._diagnosis.conclude(userId, topic, known),
        )

    def _gather(
        self,
        question: Question,
        merge: Callable[[Mapping[str, Any]], Any],
        join: Callable[[Mapping[str, Any]], Any],
        show: Callable[[Any], Shown] = lambda answer: answer,
    ) -> Deferred[Shown]:
        """
        @param merge: Makes one answer of those of the processes of one node, by their names.
        @param join: Makes one answer of those of several nodes, by their names.
        @param show: Makes of that what the operator gets.
        """

        def shown(answers: Answers) -> Shown:
            missing: list[str] = []
            nodes = {answers.name: answers.here, **answers.elsewhere}
            found: dict[str, Any] = {}
            for node, processes in nodes.items():
                there = {name: each for name, each in (processes or {}).items() if each is not None}
                prefix = f"{node}/" if node != answers.name else ""
                missing += [f"{prefix}{name}".rstrip("/") or node for name in _missing(processes)]
                if there.keys() - {HUB}:
                    isOne = len(there) == 1 and len(processes or ()) == 1
                    found[node] = next(iter(there.values())) if isOne else merge(there)
            if not found:
                raise RealtimeError("overloaded", "No process of the daemon has answered.", 1000)
            if answers.name:
                found = {node: _placed(each, node) for node, each in found.items()}
            body = show(next(iter(found.values())) if len(found) == 1 else join(found))
            return {**body, "missing": missing} if missing else body

        return self._processes.gather(question, PATIENCE).addCallback(shown)


def _missing(processes: Mapping[str, Any] | None) -> list[str]:
    """The names of the processes of a node that have not answered."""
    if processes is None:
        return [""]
    return [name for name, answer in processes.items() if answer is None]


def _placed(answer: Any, node: str) -> Any:
    """Name the node in each connection, subscription and refusal of its answer."""
    if not isinstance(answer, dict):
        return answer
    named = [
        name
        for name in ("connections", "subscriptions", "refusals")
        if isinstance(answer.get(name), list)
    ]
    return {**answer, **{n: [{**row, "node": node} for row in answer[n]] for n in named}}
