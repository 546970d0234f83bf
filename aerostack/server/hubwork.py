"""
What the hub itself does and knows, for operators.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.admin.pieces import Pieces
from aerostack.admin.sampler import Sampler
from aerostack.admin.streams import StreamDirectory
from aerostack.admin.topics import Followed, Shown, TopicDirectory
from aerostack.core.answers.answers import Answers
from aerostack.core.diagnosis.latencies import Latencies
from aerostack.core.diagnosis.questions import (
    AskRefusals,
    AskStreams,
    AskTopic,
    AskTopics,
    AskWork,
    Question,
)
from aerostack.core.diagnosis.samples import Counts
from aerostack.core.replay.logs import TopicLogs
from aerostack.interfaces.refusals import IRefusals
from aerostack.interfaces.roster import IMembers


class HubWork:
    """
    Takes samples of what the hub does, and lists topics, token streams and refusals: it alone knows
    all publications, changes, topics, streams and refusals.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        published: Callable[[], int],
        changed: Callable[[], int],
        attached: Followed,
        logs: TopicLogs,
        members: IMembers,
        answers: Answers,
        refusals: IRefusals,
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param published: Gives the number of publications since the start.
        @param changed: Gives the number of changes of tables since the start.
        @param attached: The canonical topics that workers have attached.
        """
        self._refusals = refusals
        # Workers count subscribers.
        self._streams = StreamDirectory(answers, lambda topic: 0)
        self._topics = TopicDirectory(Pieces(clock), attached, logs, members, lambda topic: 0)
        # Workers count connections, and how long frames take to the sockets.
        self._sampler = Sampler(
            clock,
            wall,
            lambda: Counts(0, 0, published(), changed(), 0),
            Latencies(),
            Latencies(),
        )

    def start(self) -> None:
        """
        Begin to take samples.
        """
        self._sampler.startService()

    def stop(self) -> None:
        """
        Take no more samples.
        """
        self._sampler.stopService()

    def answer(self, question: Question) -> Shown | Deferred[Shown] | None:
        """
        Answer what an operator asks of every process.

        @return: L{None} if the hub has nothing to add to what workers know.
        """
        if isinstance(question, AskWork):
            return self._sampler.work(question)
        if isinstance(question, AskTopics):
            return self._topics.list(
                question.project, question.prefix, question.limit, question.after
            )
        if isinstance(question, AskTopic):
            return self._topics.topic(question.topic, ())
        if isinstance(question, AskStreams):
            return self._streams.list(question.project)
        if isinstance(question, AskRefusals):
            return self._refusals.list(question.project)
        return None
