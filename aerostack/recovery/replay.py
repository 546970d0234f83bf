"""
What one subscription gets of a topic's past.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.appended import Appended
from aerostack.core.answers.requests import Found
from aerostack.core.replay.gaps import Gap
from aerostack.core.replay.log import OVERHEAD, Entry, Plan, TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.rows.changes import Change
from aerostack.core.rows.transactions import OpenTransactions
from aerostack.core.rows.views import View, classify
from aerostack.core.topics.topics import Topic
from aerostack.delivery.runs import Runs
from aerostack.errors import RealtimeError
from aerostack.hub.encoding import publicationFrame
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.tracking import IChangeTracker
from aerostack.protocol.framing import Frame
from aerostack.protocol.streamends import EndEvent, readEnd, wholeData, wholeReadData
from aerostack.tables.encoding import changeFrame, commitFrame

PAGE = 500
"""How many rows one read has at the most."""

PAGE_BYTES = 262_144
"""About how many bytes of values one read has at the most.  Each client that is slow may hold as
many."""

AT_ONCE = 16_384
"""About how many bytes of the past a client gets right behind the answer to its subscription,
and not at its turn."""

Read = Callable[[Deferred[Any]], Deferred[Any]]
"""Waits for a read, as long as the client wants it."""

Find = Callable[[str], Answer | None]
"""Finds a token stream of the topic's project by its id."""

Get = Callable[[str], Deferred[Found]]
"""Reads such a stream, which another process may have; see
L{aerostack.interfaces.streams.IStreams.get}."""

AwaitTurn = Callable[[], Deferred[None]]
"""Waits until the client can take more."""


class Unreadable(Exception):
    """
    The database could not be read.  The reason is the operator's concern and not the client's.
    """


class Replay:
    """
    The frames that come after a position: first those from the database, page by page, and then
    those that the topic's log has in memory.

    Iteration gives the frames in parts.  A page is read when the page before it has been sent and
    it is the client's turn.

    @ivar isStored: Whether something is to be read from the database.
    @ivar isKeptOnly: Whether events that were not kept may be missing.
    @ivar reached: Up to which position the database was read.
    """

    def __init__(
        self,
        tracker: IChangeTracker,
        history: IKeptMessages,
        topic: Topic,
        view: View | None,
        log: TopicLog,
        position: Position,
        plan: Plan,
        read: Read,
        awaitTurn: AwaitTurn,
        find: Find,
        get: Get,
    ) -> None:
        """
        @param position: Where the past begins.
        @param plan: The result of L{TopicLog.resume} for this position.
        """
        self.isStored = plan.after is not None
        self.isKeptOnly = plan.keptOnly
        self.reached = position
        self._tracker = tracker
        self._history = history
        self._topic = topic
        self._log = log
        self._plan = plan
        self._read = read
        self._awaitTurn = awaitTurn
        self._find = find
        self._get = get
        self._seen = position.seen
        # A client that comes from an earlier log and is cut off in the middle must keep that epoch.
        self._epoch = position.epoch if plan.keptOnly else log.epoch
        self._rows = RowReplay(topic.canonical, view, position)
        self._logged = _loggedFrames(self._rows, log, plan.entries)

    async def survey(self, most: int | None, now: int) -> Gap | None:
        """
        Find out whether the database still has the entries that are to be read from it.

        @param most: How many rows are read at the most; L{None} for no bound, on a table's
            topic.
        @param now: The time, ms.
        @return: Why the client does not get the entries; L{None} if it gets them.
        @raise Unreadable: The database cannot be read.
        """
        if not self.isStored:
            return None
        after, until = self._plan.after, self._plan.until
        if self._topic.table is None:
            topic = self._topic.canonical
            surveying = self._history.surveyPast(topic, after, until, most, now, self._seen)
        else:
            lineage = self._log.lineage
            surveying = self._tracker.surveyPast(self._topic.table, lineage, after, until, most)
        reason = await readable(self._read(surveying))
        return None if reason is None else Gap(reason)

    async def __aiter__(self) -> AsyncIterator[Iterable[Frame]]:
        """
        @raise Unreadable: The database cannot be read.
        """
        after, until = self._plan.after, self._plan.until
        while after is not None and after < until:
            # A client that does not read has no page in memory.
            await self._awaitTurn()
            frames, after = await self._page(after)
            if (after is None or after >= until) and not self._bringsWholeTexts:
                # What is in memory needs no turn of its own.
                yield chain(frames, self._logged)
                return
            yield frames
        if not self._bringsWholeTexts:
            yield self._logged
            return
        async for part in self._withWholeTexts():
            yield part

    @property
    def _bringsWholeTexts(self) -> bool:
        """
        Whether the client may lack the beginnings of token streams.
        """
        return self.isKeptOnly and self._topic.table is None

    async def _withWholeTexts(self) -> AsyncIterator[Iterable[Frame]]:
        """
        The frames for the entries of the log, where each token stream comes whole: with its end if
        it has ended.  What running ones are up to comes behind all this.
        """
        part: list[Entry] = []
        for entry in self._plan.entries:
            if isinstance(entry.source, Appended):
                continue
            assert isinstance(entry.frame, Frame)
            end = readEnd(entry.frame)
            if end is not None:
                # Of all texts, only one is copied at a time.
                yield _loggedFrames(self._rows, self._log, part)
                data = await self._wholeData(entry, end)
                entry, part = replace(entry, frame=end.whole(data)), []
            part.append(entry)
        yield _loggedFrames(self._rows, self._log, part)

    async def _wholeData(self, entry: Entry, end: EndEvent) -> bytes:
        """
        The data of an end, with the text if that is here, in the database or at another process.
        """
        answer = self._find(end.stream)
        # A later stream may have the same id on another topic, which the client may not read.
        if answer is not None and answer.topic != self._topic.canonical:
            answer = None
        # Of a stream that ran before this process followed the topic, only the end is known here.
        if answer is not None and answer.isOver and (answer.parts or not answer.isMirror):
            return wholeData(answer, end.data)
        if entry.kept:
            await self._awaitTurn()
            topic, mark = self._topic.canonical, entry.mark
            reading = self._history.readPast(topic, mark - 1, mark, 1, PAGE_BYTES)
            for kept in await readable(self._read(reading)):
                if kept.message.stream is not None:
                    return bytes(kept.message.data)
        await self._awaitTurn()
        try:
            found = await readable(self._read(self._get(end.stream)))
        except RealtimeError:
            # No process has it any more, or the one that has it does not answer.
            return bytes(end.data)
        if found.topic != self._topic.canonical:
            return bytes(end.data)
        return wholeReadData(found.data, end.data)

    async def _page(self, after: int) -> tuple[Sequence[Frame], int | None]:
        """
        Read what the database has behind a mark.

        @return: The frames, and the last mark of the page; L{None} behind the last page.
        """
        until, table = self._plan.until, self._topic.table
        frames: list[Frame] = []
        # Large rows make short pages, so only an empty page is the last one for sure.
        last: int | None = None
        if table is None:
            topic = self._topic.canonical
            reading = self._history.readPast(
                topic, after, until, PAGE, PAGE_BYTES, self._plan.partial
            )
            for kept in await readable(self._read(reading)):
                last = kept.createdAt
                position = Position(self._epoch, None, last, self._log.lineage, seen=True)
                frames.append(publicationFrame(kept.publication, position, None))
        else:
            lineage = self._log.lineage
            reading = self._tracker.readPast(table, lineage, after, until, PAGE, PAGE_BYTES)
            for change in await readable(self._read(reading)):
                last = change.seq
                self.reached = Position(self._epoch, None, last, lineage, not change.last)
                frames.extend(self._rows.change(change, self.reached))
        return frames, last


async def readable(reading: Deferred[Any]) -> Any:
    """
    Wait for the database.

    @raise RealtimeError: The database refused the read; the client gets this error.
    @raise Unreadable: The database cannot be read; the error says nothing for clients.
    """
    try:
        return await reading
    except (CancelledError, RealtimeError):
        raise
    except Exception as error:
        # The caller refuses the subscription, or reads the log again later.
        raise Unreadable from error


def recentFrames(
    topic: Topic, view: View | None, log: TopicLog, position: Position, now: float
) -> Sequence[Frame] | None:
    """
    Make the frames that come after a position, if they are few and in memory.

    @param now: The time, seconds of the clock.
    @return: L{None} if a L{Replay} has to find them, or if a part of them is gone.
    """
    entries = log.recent(position, now, AT_ONCE)
    if entries is None or sum(map(_textOf, entries)) > AT_ONCE:
        return None
    return tuple(_loggedFrames(RowReplay(topic.canonical, view, position), log, entries))


def countsInRewind(entry: Entry) -> bool:
    """
    Whether an entry of a log is one of the frames that a rewound subscription begins with.  A token
    stream is one frame there, its end: running streams come behind.
    """
    assert isinstance(entry.frame, Frame)
    return not isinstance(entry.source, Appended) and not entry.frame.isStreamPart


def rewoundFrames(log: TopicLog, count: int, now: float) -> Sequence[Frame] | None:
    """
    Make the newest frames of a log, if they are small and in memory.

    @param count: How many.
    @param now: The time, seconds of the clock.
    @return: L{None} if a L{Replay} has to find them.
    """
    if not log.isFilled or count * OVERHEAD > AT_ONCE:
        return None
    entries, _ = log.latest(count, countsInRewind, now)
    if len(entries) < count or sum(len(entry.frame) for entry in entries) > AT_ONCE:
        return None
    frames = [entry.frame for entry in entries if isinstance(entry.frame, Frame)]
    # The text of a stream that has ended has to be found.
    return None if any(map(readEnd, frames)) else frames


def _textOf(entry: Entry) -> int:
    """How much text of a token stream an entry refers to, UTF-16 units."""
    return entry.source.until - entry.source.at if isinstance(entry.source, Appended) else 0


def _loggedFrames(rows: RowReplay, log: TopicLog, entries: Sequence[Entry]) -> Iterator[Frame]:
    """
    Make the frames for the entries of the log.
    """
    # Before the first frame is asked for, the log may get more entries.  The client gets these
    # as live frames.
    head = None if log.within else log.position

    def frames() -> Iterator[Frame]:
        runs: Runs | None = None
        for entry in entries:
            assert isinstance(entry.frame, Frame)
            change = entry.source
            if isinstance(change, Appended):
                if runs is None:
                    runs = Runs.of(change)
                else:
                    runs.add(change)
                continue
            if runs is not None:
                yield from runs.frames()
                runs = None
            if change is None or rows.takesWhole(change):
                yield entry.frame
                continue
            position = Position(log.epoch, entry.offset, entry.mark, log.lineage, not change.last)
            yield from rows.change(change, position, entry.frame)
        if runs is not None:
            yield from runs.frames()
        if head is not None:
            yield from rows.end(head)

    return frames()


class RowReplay:
    """
    The frames of a part of a table's past, for a client that comes back.
    """

    def __init__(self, topic: str, view: View | None, since: Position) -> None:
        """
        @param topic: The canonical topic.
        @param view: Which changes the client gets; L{None} for all.
        @param since: Where the part begins.
        """
        self._topic = topic
        self._view = view
        self._openTransactions: OpenTransactions[None] = OpenTransactions()
        if since.within:
            self._openTransactions.enter(None)

    def change(
        self, change: Change, position: Position, whole: Frame | None = None
    ) -> Sequence[Frame]:
        """
        Make the frames for the next change.

        @param whole: The frame that clients without a view get, if there is one.
        """
        view = self._view
        operation = change.operation if view is None else classify(change, view)
        if operation is None:
            return self._over(change.transaction, position) if change.last else ()
        self._openTransactions.delivered(None, change.last)
        projection = None if view is None else view.projection
        if whole is not None and operation == change.operation and projection is None:
            return (whole,)
        return (changeFrame(self._topic, change, position, None, operation, projection),)

    def takesWhole(self, change: Change) -> bool:
        """
        Go on with a change for a client without a view, which gets the frame that all such
        clients get.

        @return: Whether the client is one; if not, ask L{change}.
        """
        if self._view is not None:
            return False
        self._openTransactions.delivered(None, change.last)
        return True

    def end(self, position: Position) -> Sequence[Frame]:
        """
        End the part at a point where no transaction is open.  SQLite's journal does not say by
        itself where a transaction ended.
        """
        return self._over(None, position)

    def _over(self, transaction: str | None, position: Position) -> Sequence[Frame]:
        ended = self._openTransactions.end()
        return [commitFrame(self._topic, transaction, position) for _ in ended]
