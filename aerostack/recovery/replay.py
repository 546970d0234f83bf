"""
A part of a topic's past, as one subscription gets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twisted.internet.defer import Deferred

from aerostack.core.replay.log import Entry, Plan, TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Kept, Publication
from aerostack.core.rows.changes import Change
from aerostack.core.rows.transactions import OpenTransactions
from aerostack.core.rows.views import View, classify
from aerostack.core.topics.topics import Topic
from aerostack.delivery.catchup import Pages
from aerostack.hub.encoding import publicationFrame
from aerostack.interfaces import IChangeTracker, IHistory
from aerostack.protocol.framing import Frame
from aerostack.tables.encoding import changeFrame, commitFrame

PAGE = 500
"""How many rows are read at once, ..."""

PAGE_BYTES = 262_144
"""... and how many bytes of values, about: each client that is slow may hold a page."""


class Replay:
    """
    What comes after a position: first what the database has of it, in pages, and then
    what the stream has.

    @ivar frames: What the stream has.
    @ivar reached: Up to where the database was read.
    """

    def __init__(
        self,
        tracker: IChangeTracker,
        history: IHistory,
        topic: Topic,
        view: View | None,
        stream: TopicLog,
        position: Position,
        plan: Plan,
    ) -> None:
        """
        @param position: Where the past begins.
        @param plan: What L{TopicLog.resume} says of it.
        """
        self.reached = position
        self._seen = position.seen
        self._epoch = position.epoch
        self._tracker = tracker
        self._history = history
        self._topic = topic
        self._stream = stream
        self._plan = plan
        self._retelling = RowReplay(topic.canonical, view, position)
        self.frames = _frames(self._retelling, stream, plan.entries)

    def survey(self, most: int | None, now: int) -> Deferred[str | None]:
        """
        Look whether the database still has what is to come from it.

        @param most: How many rows are read at the most; L{None} for no bound, on a
            table's topic.
        @param now: The time, ms.
        @return: Fires with L{None} if it has, else with the reason of a L{Gap}.
        """
        after, until = self._plan.after, self._plan.until
        if self._topic.table is None:
            topic = self._topic.canonical
            return self._history.surveyPast(topic, after, until, most, now, self._seen)
        lineage = self._stream.lineage
        return self._tracker.surveyPast(self._topic.table, lineage, after, until, most)

    def pages(self) -> Pages:
        """
        What the database has.  The next page may be asked for once the one before is
        there.
        """
        after = self._plan.after
        while after is not None and after < self._plan.until:
            read: list[int] = []
            yield self._page(after, read)
            # Large rows make short pages, so only an empty one is the last for sure.
            after = read[-1] if read else None

    def _page(self, after: int, read: list[int]) -> Deferred[Sequence[Frame]]:
        """
        @param read: Gets the marks of what was read.
        """
        stream, until, table = self._stream, self._plan.until, self._topic.table
        # One who comes from an earlier stream, and is cut off in the middle, still does.
        epoch = self._epoch if self._plan.keptOnly else stream.epoch

        def position(mark: int, within: bool = False) -> Position:
            read.append(mark)
            return Position(epoch, None, mark, stream.lineage, within, table is None)

        def told(changes: Sequence[Change]) -> Sequence[Frame]:
            frames: list[Frame] = []
            for change in changes:
                self.reached = position(change.seq, not change.last)
                frames.extend(self._retelling.change(change, self.reached))
            return frames

        def sent(messages: Sequence[Kept]) -> Sequence[Frame]:
            return [
                publicationFrame(_publication(kept), position(kept.createdAt), None)
                for kept in messages
            ]

        if table is None:
            page = self._history.readPast(self._topic.canonical, after, until, PAGE, PAGE_BYTES)
            return page.addCallback(sent)
        changes = self._tracker.readPast(table, stream.lineage, after, until, PAGE, PAGE_BYTES)
        return changes.addCallback(told)


def _frames(retelling: RowReplay, stream: TopicLog, entries: Sequence[Entry]) -> Iterator[Frame]:
    """
    What is sent of the stream.
    """
    # Before the first is asked for, more may have come; but that is sent otherwise.
    head = None if stream.within else stream.position

    def frames() -> Iterator[Frame]:
        for entry in entries:
            assert isinstance(entry.frame, Frame)
            change = entry.source
            if change is None:
                yield entry.frame
                continue
            position = Position(
                stream.epoch, entry.offset, entry.mark, stream.lineage, not change.last
            )
            yield from retelling.change(change, position, entry.frame)
        if head is not None:
            yield from retelling.end(head)

    return frames()


def _publication(kept: Kept) -> Publication:
    message = kept.message
    return Publication(
        message.topic,
        message.kind,
        message.event,
        message.data,
        message.userId,
        kept.createdAt,
        kept.createdAt,
    )


class RowReplay:
    """
    A part of a table's past, as it is told to one who comes back.
    """

    def __init__(self, topic: str, view: View | None, since: Position) -> None:
        """
        @param topic: The canonical topic.
        @param view: What is told; L{None} for everything.
        @param since: Where the part begins.
        """
        self._topic = topic
        self._view = view
        self._openTransactions: OpenTransactions[None] = OpenTransactions()
        if since.within:
            self._openTransactions.enter(None)

    def change(
        self, change: Change, position: Position, whole: Frame | None = None
    ) -> Iterator[Frame]:
        """
        Go on with a change.

        @param whole: Its frame for those who are told everything, if there is one.
        """
        view = self._view
        operation = change.operation if view is None else classify(change, view)
        if operation is None:
            if change.last:
                yield from self._over(change.transaction, position)
            return
        self._openTransactions.told(None, change.last)
        projection = None if view is None else view.projection
        if whole is not None and operation == change.operation and projection is None:
            yield whole
        else:
            yield changeFrame(self._topic, change, position, None, operation, projection)

    def end(self, position: Position) -> Iterator[Frame]:
        """
        End where no transaction goes on.  SQLite's journal does not say by itself where
        one ended.
        """
        yield from self._over(None, position)

    def _over(self, transaction: str | None, position: Position) -> Iterator[Frame]:
        for _ in self._openTransactions.end():
            yield commitFrame(self._topic, transaction, position)
