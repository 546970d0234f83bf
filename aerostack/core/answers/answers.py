"""
The streamed answers that are known, by their ids and by their topics, within a budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aerostack.core.answers.answer import Answer, End, Terms
from aerostack.core.answers.blockframes import BlockFrames
from aerostack.core.replay.publications import Publication, StreamMark
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError


@dataclass(frozen=True, slots=True)
class Budget:
    """
    How much answers may take.

    @ivar text: Bytes of one answer.
    @ivar memory: Bytes of all answers together.
    @ivar perTopic: How many may run on one topic.
    @ivar perProject: How many may run in one project.
    @ivar parts: How many parts one has.
    @ivar value: Bytes of a value.
    """

    text: int = 4_194_304
    memory: int = 268_435_456
    perTopic: int = 32
    perProject: int = 1000
    parts: int = 1000
    value: int = 65_536


class Answers:
    """
    The answers that run, and those that have ended a while ago.

    @ivar budget: What they may take.
    @ivar linger: For how many seconds an answer is known after its end.
    @ivar size: About how many bytes they take.
    @ivar frames: The frames of their blocks, which are not counted in C{size}.
    """

    def __init__(self, budget: Budget | None = None, linger: float = 300.0) -> None:
        self.budget = budget or Budget()
        self.linger = linger
        self.size = 0
        self.frames = BlockFrames()
        # By project and id, every known answer with the bytes that it is counted with.
        self._known: dict[tuple[str, str], Answer] = {}
        self._sizes: dict[Answer, int] = {}
        # By topic, the answers whose end has no place in the log yet, in the order of their
        # beginnings.
        self._running: dict[str, dict[str, Answer]] = {}
        self._projects: Counter[str] = Counter()
        # When each answer ended that is still known, the first that ended first.
        self._ended: dict[Answer, float] = {}

    def __len__(self) -> int:
        """How many answers run."""
        return self._projects.total()

    def __iter__(self) -> Iterator[Answer]:
        """Every answer that runs."""
        for answers in tuple(self._running.values()):
            yield from tuple(answers.values())

    @property
    def topics(self) -> Sequence[str]:
        """The topics on which answers run."""
        return tuple(self._running)

    def get(self, project: str, name: str) -> Answer | None:
        """
        An answer that runs, or has ended a while ago, by its id.
        """
        return self._known.get((project, name))

    def of(self, topic: str) -> Sequence[Answer]:
        """
        The answers that run on a topic and whose beginnings have their places in its log, in the
        order of their beginnings.
        """
        running = self._running.get(topic)
        return tuple(a for a in running.values() if a.isShown) if running else ()

    def runs(self, topic: str) -> bool:
        """
        Whether an answer of a topic goes on.
        """
        return any(answer.end is None for answer in self._running.get(topic, {}).values())

    def admit(self, topic: str) -> None:
        """
        Make sure that one more answer may begin on a topic.

        @raise RealtimeError: C{too_many_streams}.
        """
        budget, project = self.budget, projectOf(topic)
        if len(self._running.get(topic, ())) >= budget.perTopic:
            raise _tooMany(f"At most {budget.perTopic} streams run on one topic.")
        if self._projects[project] >= budget.perProject:
            raise _tooMany(f"At most {budget.perProject} streams run in one project.")
        if self.size >= budget.memory:
            raise _tooMany("The running streams take all the memory that they may take.")

    def enter(self, answer: Answer) -> None:
        """
        Let an answer run.
        """
        project = projectOf(answer.topic)
        before = self._known.get((project, answer.id))
        if before is not None:
            self.forget(before)
        self._known[project, answer.id] = answer
        self._running.setdefault(answer.topic, {})[answer.id] = answer
        self._projects[project] += 1
        self.count(answer)

    def count(self, answer: Answer) -> None:
        """
        Note that an answer has another size.
        """
        size = answer.size
        self.size += size - self._sizes.get(answer, 0)
        self._sizes[answer] = size

    def over(self, answer: Answer, now: float) -> None:
        """
        Note that the end of an answer has its place in the topic's log.

        @param now: The clock's time, seconds.
        """
        answer.isOver = True
        self._ended[answer] = now
        self._leave(answer)

    def _leave(self, answer: Answer) -> None:
        """Let an answer run no longer."""
        running = self._running.get(answer.topic)
        if running is None or running.get(answer.id) is not answer:
            return
        del running[answer.id]
        if not running:
            del self._running[answer.topic]
        project = projectOf(answer.topic)
        self._projects[project] -= 1
        if not self._projects[project]:
            del self._projects[project]

    def forget(self, answer: Answer) -> None:
        """
        Know an answer no longer, and release its text.
        """
        self._leave(answer)
        self._ended.pop(answer, None)
        key = projectOf(answer.topic), answer.id
        if self._known.get(key) is answer:
            del self._known[key]
        self.size -= self._sizes.pop(answer, 0)
        answer.release()

    def all(self, topic: str) -> Sequence[Answer]:
        """
        The answers that run on a topic.
        """
        return tuple(self._running.get(topic, {}).values())

    def drop(self, topic: str) -> None:
        """
        Forget the answers that run on a topic, because nothing of it comes here any more.
        """
        for answer in self.all(topic):
            self.forget(answer)

    def take(self, publication: Publication, now: float) -> Answer | None:
        """
        Note that a publication has its place in the topic's log.

        @param now: The clock's time, seconds.
        @return: The answer that it is a part of; L{None} if it is no part of one that is known from
            its beginning.
        """
        mark, topic = publication.stream, publication.topic
        if mark is None:
            return None
        answer = self.get(projectOf(topic), mark.stream)
        if answer is None or answer.isOver:
            if not isFirst(publication, mark):
                if mark.state and answer is None:
                    self._end(publication, mark, now)
                return None
            # Another process has begun it.
            answer = Answer(mark.stream, mark.stream, topic, Terms(), publication.timestamp)
            answer.head = b"" if mark.part else publication.data
            answer.isMirror = True
            self.enter(answer)
        answer.isShown = True
        if mark.state:
            if answer.end is None:
                answer.end = End(mark.state)
            self.over(answer, now)
        elif mark.at >= 0:
            answer.show(mark.part, mark.kind, mark.at, mark.text, mark.edition)
        elif mark.part:
            answer.put(mark.part, mark.kind, publication.data)
        self.count(answer)
        return answer

    def _end(self, publication: Publication, mark: StreamMark, now: float) -> None:
        """Note the end of an answer of which nothing is known, so that it is not begun again."""
        topic, name = publication.topic, mark.stream
        answer = Answer(name, name, topic, Terms(), publication.timestamp, end=End(mark.state))
        answer.isMirror = answer.isShown = answer.isUnseen = True
        self.enter(answer)
        self.over(answer, now)

    def adopt(self, publications: Iterable[Publication], now: float) -> None:
        """
        Take up the answers that other processes have begun, and that run.

        @param publications: What was published on a topic, oldest first.
        @param now: The clock's time, seconds.
        """
        marked = [(_keyOf(each.topic, each.stream), each) for each in publications if each.stream]
        known = {key for key, each in marked if each.stream and each.stream.state}
        known.update(key for key, _ in marked if key in self._known)
        for key, publication in marked:
            if key not in known:
                self.take(publication, now)

    def expire(self, now: float) -> list[Answer]:
        """
        Forget the answers that have ended a while ago, or earlier if all answers together take too
        much.

        @param now: The clock's time, seconds.
        @return: These answers, without their texts.
        """
        expired: list[Answer] = []
        freed = 0
        for answer, ended in self._ended.items():
            if ended + self.linger > now and self.size - freed <= self.budget.memory:
                break
            expired.append(answer)
            freed += self._sizes[answer]
        for answer in expired:
            self.forget(answer)
        return expired


def _keyOf(topic: str, mark: StreamMark) -> tuple[str, str]:
    return projectOf(topic), mark.stream


def isFirst(publication: Publication, mark: StreamMark) -> bool:
    """
    Whether an answer begins with a publication: one of emitted events has no other beginning.
    """
    return not mark.state and (not mark.part or (mark.at == 0 and bool(publication.data)))


def isReminder(publication: Publication) -> bool:
    """
    Whether a publication says only how much text an answer has, for processes that do not know it.
    Subscribers do not get it.
    """
    mark = publication.stream
    if mark is None or mark.at < 0 or mark.state or publication.data:
        return False
    return not mark.text and not mark.isReset


def _tooMany(message: str) -> RealtimeError:
    return RealtimeError("too_many_streams", f"{message} Wait until one has ended.", 1000)
