"""
Where a subscription begins: at the present, or at the place where the client left off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.catchup import Catchup, Pages
from aerostack.core.changes import Change
from aerostack.core.messages import Kept, Publication
from aerostack.core.positions import Position, parsePosition
from aerostack.core.stream import UNKNOWN, Entry, Gap, Plan, Stream
from aerostack.core.topics import Topic
from aerostack.core.views import View
from aerostack.errors import RealtimeError
from aerostack.feeds import TableFeeds
from aerostack.hub import Hub, publicationFrame
from aerostack.interfaces import IHistory
from aerostack.outlet import CHUNK, Outlet
from aerostack.telling import Retelling
from aerostack.wire.frames import Subscribed
from aerostack.wire.framing import Frame

PAGE = 500
"""How many rows of the past are read at once."""

TURN = 1_048_576
"""How many bytes of the past are sent in one turn of the reactor, to all together."""

Refuse = Callable[[RealtimeError], None]


class Recovery:
    """
    Answers subscriptions, and brings those who come back up to date.

    @ivar limit: How many rows of the past one subscription gets from the database.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, hub: Hub, feeds: TableFeeds, history: IHistory, limit: int
    ) -> None:
        self.limit = limit
        self._clock = clock
        self._hub = hub
        self._feeds = feeds
        self._history = history
        # In the order of their turns.
        self._waiting: dict[Outlet, None] = {}
        self._scheduled = False

    # Pacing

    def pace(self, outlet: Outlet) -> None:
        """
        Give a client its next piece of the past when it is its turn.
        """
        self._waiting[outlet] = None
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        left = TURN
        waiting, self._waiting = self._waiting, {}
        while waiting and left > 0:
            outlet = next(iter(waiting))
            del waiting[outlet]
            # One that has more to send asks for another turn.
            left -= max(1, outlet.sendPast(CHUNK))
        if waiting:
            self._waiting = {**waiting, **self._waiting}
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    # Beginning

    def begin(
        self,
        outlet: Outlet,
        topic: Topic,
        view: View | None,
        since: str | None,
        refuse: Refuse,
    ) -> None:
        """
        Answer a subscription that has just been made.

        @param view: What of a table's changes is told; L{None} for everything.
        @param since: The last position that the client has seen, if it comes back.
        @param refuse: Is called if the past cannot be read after all; the subscription
            is to be ended then.
        """
        stream = self._stream(topic)
        canonical = topic.canonical
        live = str(stream.position)
        if since is None:
            outlet.endCatchUp(canonical)
            self._answer(outlet, topic, Subscribed(topic=canonical, pos=live))
            return
        position = parsePosition(since)
        plan = UNKNOWN if position is None else stream.resume(position, self._clock.seconds())
        if isinstance(plan, Gap):
            outlet.endCatchUp(canonical)
            self._answer(outlet, topic, _lost(canonical, live, plan))
            return
        assert position is not None
        catchup = Catchup()
        retelling = Retelling(canonical, view, position)
        frames = _frames(retelling, stream, plan.entries)
        if stream.within and view is not None and view.selects:
            # What comes live knows nothing of what this one is told of the past.
            self._feeds.enter(topic, view)
        if plan.after is None:
            catchup.begin(frames, None, _nothing, _nothing)
            self._answer(outlet, topic, _recovered(canonical, since, plan))
            outlet.catchUp(canonical, catchup)
            return
        # What is published while the database is asked must wait.
        outlet.catchUp(canonical, catchup)
        fail = partial(self._fail, outlet, canonical, catchup, refuse)

        def surveyed(reason: str | None) -> None:
            if outlet.catchingUp(canonical) is not catchup:
                # It has left, or asked again.
                return
            if reason is not None:
                catchup.beginWithNothing()
                self._answer(outlet, topic, _lost(canonical, live, Gap(reason)))
            else:
                pages = self._pages(topic, retelling, stream, plan)
                catchup.begin(frames, pages, outlet.resumeCatchUp, fail)
                self._answer(outlet, topic, _recovered(canonical, since, plan))
            outlet.resumeCatchUp()

        self._survey(topic, stream, plan).addCallback(surveyed).addErrback(fail)

    def _fail(
        self,
        outlet: Outlet,
        canonical: str,
        catchup: Catchup,
        refuse: Refuse,
        failure: Failure,
    ) -> None:
        if outlet.catchingUp(canonical) is not catchup:
            return
        outlet.endCatchUp(canonical)
        if isinstance(failure.value, RealtimeError):
            refuse(failure.value)
        else:
            self.log.failure("the past of a topic cannot be read", failure)
            refuse(
                RealtimeError(
                    "database_unavailable",
                    "What was missed cannot be read now; subscribe again.",
                    1000,
                )
            )

    def _answer(self, outlet: Outlet, topic: Topic, answer: Subscribed) -> None:
        outlet.send(answer)
        self._hub.sync(outlet, topic)

    def _stream(self, topic: Topic) -> Stream:
        if topic.table is not None:
            return self._feeds.stream(topic)
        return self._hub.stream(topic.canonical)

    # What there is to send

    def _survey(self, topic: Topic, stream: Stream, plan: Plan) -> Deferred[str | None]:
        if topic.table is None:
            return self._history.surveyPast(
                topic.canonical, plan.after, plan.until, self.limit, self._hub.now()
            )
        return self._feeds.tracker.surveyPast(
            topic.table, stream.lineage, plan.after, plan.until, self.limit
        )

    def _pages(self, topic: Topic, retelling: Retelling, stream: Stream, plan: Plan) -> Pages:
        """
        Pages of the past.  The next may be asked for once the one before is there.
        """
        after = plan.after
        while after is not None and after < plan.until:
            read: list[int] = []
            yield self._page(topic, retelling, stream, after, plan.until, read)
            after = read[-1] if len(read) == PAGE else None

    def _page(
        self,
        topic: Topic,
        retelling: Retelling,
        stream: Stream,
        after: int,
        until: int,
        read: list[int],
    ) -> Deferred[Sequence[Frame]]:
        """
        @param read: Gets the marks of what was read.
        """

        def position(mark: int, within: bool = False) -> Position:
            read.append(mark)
            return Position(stream.epoch, None, mark, stream.lineage, within)

        def told(changes: Sequence[Change]) -> Sequence[Frame]:
            return [
                frame
                for change in changes
                for frame in retelling.change(change, position(change.seq, not change.last))
            ]

        def sent(messages: Sequence[Kept]) -> Sequence[Frame]:
            return [
                publicationFrame(_publication(kept), position(kept.createdAt), None)
                for kept in messages
            ]

        if topic.table is not None:
            tracker = self._feeds.tracker
            return tracker.readPast(topic.table, stream.lineage, after, until, PAGE).addCallback(
                told
            )
        return self._history.readPast(topic.canonical, after, until, PAGE).addCallback(sent)


def _frames(retelling: Retelling, stream: Stream, entries: Sequence[Entry]) -> Iterator[Frame]:
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


def _recovered(canonical: str, since: str, plan: Plan) -> Subscribed:
    # Whoever is cut off right behind this answer has to come back to where it was.
    return Subscribed(
        topic=canonical, pos=since, recovered=True, keptOnly=True if plan.keptOnly else UNSET
    )


def _lost(canonical: str, live: str, gap: Gap) -> Subscribed:
    return Subscribed(topic=canonical, pos=live, recovered=False, gap={"reason": gap.reason})


def _nothing(*args: object) -> None:
    """Nothing is read from the database."""
