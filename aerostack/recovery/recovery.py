"""
Where a subscription begins: at the present, or at the place where the client left off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from msgspec import UNSET
from msgspec.structs import replace
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.log import UNKNOWN, Gap, Plan, TopicLog
from aerostack.core.replay.positions import Position, parsePosition
from aerostack.core.rows.selection import Bounds, Selection
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.outbound import CHUNK, Outbound
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces import IHistory
from aerostack.protocol.frames import Error, Subscribed
from aerostack.recovery.replay import Replay
from aerostack.tables.feed import TableFeed
from aerostack.tables.snapshots import Hold, Snapshots

TURN = 1_048_576
"""How many bytes of the past are sent in one turn of the reactor, to all together."""

AHEAD = 2.0
"""For how many seconds one who comes from another daemon is waited for, which has read further
than we have."""

RETRY = 1.0
"""The seconds after which a log that could not be read on is tried again."""


@dataclass(frozen=True)
class SubscribeRequest:
    """
    What a subscription that has just been made asks for.

    @ivar view: What of a table's changes is told; L{None} for everything.
    @ivar since: The last position that the client has seen, if it comes back.
    @ivar selection: With which rows of the table it begins, unless it gets all that it
        missed; L{None} for none.
    @ivar sync: Whether it takes the members who are present in pages.
    @ivar refuse: Is called if the past or the rows cannot be read after all; the
        subscription is to be ended then.
    """

    topic: Topic
    view: View | None
    since: str | None
    selection: Selection | None
    sync: bool
    refuse: Callable[[RealtimeError], None]


class Recovery:
    """
    Answers subscriptions, and brings those who come back up to date.

    @ivar limit: How many rows of the past one subscription gets from the database.
    @ivar snapshots: Reads the rows that subscriptions begin with.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        feeds: TableFeed,
        history: IHistory,
        limit: int,
        bounds: Bounds,
    ) -> None:
        self.limit = limit
        self.snapshots = Snapshots(feeds.tracker, bounds)
        self._clock = clock
        self._hub = hub
        self._feeds = feeds
        self._history = history
        # In the order of their turns.
        self._waiting: dict[Outbound, None] = {}
        self._scheduled = False
        # The database could not be read the last time that it was asked.
        self._isFailing = False

    def reload(self, bounds: Bounds) -> None:
        """
        Read no more rows than these bounds allow from now on.
        """
        self.snapshots.reload(bounds)

    # Pacing

    def pace(self, outlet: Outbound) -> None:
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
            try:
                # One that has more to send asks for another turn.
                left -= max(1, outlet.sendPast(CHUNK))
            except Exception:
                # The others still have their turn.
                outlet.fail(Failure())
        if waiting:
            self._waiting = {**waiting, **self._waiting}
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    # Beginning

    def begin(self, outlet: Outbound, wish: SubscribeRequest) -> None:
        """
        Answer a subscription that has just been made.
        """
        topic = wish.topic
        stream = self._stream(topic)
        if wish.since is None:
            self._beginAnew(outlet, wish, stream, None)
            return
        position = parsePosition(wish.since)
        if position is not None and self._isAhead(topic, stream, position):
            self._wait(outlet, wish, position)
            return
        self._resume(outlet, wish, stream, position)

    def _isAhead(self, topic: Topic, stream: TopicLog, position: Position) -> bool:
        """Whether another daemon, by which a client comes, has read further than we have."""
        return (
            topic.table is not None
            and position.epoch != stream.epoch
            and position.lineage == stream.lineage
            and position.mark > stream.mark
        )

    def _wait(self, outlet: Outbound, wish: SubscribeRequest, position: Position) -> None:
        """
        Answer a client when we have read as far as it has.
        """
        topic = wish.topic
        if self._feeds.isDown:
            wish.refuse(_unavailable())
            return
        held = self.hold(outlet, topic)

        def reached(_: None) -> None:
            if outlet.catchingUp(topic.canonical) is not held:
                # It has left, or asked again.
                return
            # What was published meanwhile is in the log.
            self._hub.delivery.handOver(topic.canonical, outlet)
            outlet.endCatchUp(topic.canonical)
            self._resume(outlet, wish, self._stream(topic), position)

        reaching = self._feeds.tracker.reach(position.mark, AHEAD)
        reaching.addCallback(reached).addErrback(outlet.fail)

    def _resume(
        self, outlet: Outbound, wish: SubscribeRequest, stream: TopicLog, position: Position | None
    ) -> None:
        """
        Answer one who comes back.

        @param position: Where it left off; L{None} if it was never one of ours.
        """
        topic = wish.topic
        plan = UNKNOWN if position is None else stream.resume(position, self._clock.seconds())
        if isinstance(plan, Gap):
            self._beginAnew(outlet, wish, stream, plan)
            return
        assert position is not None
        catchup = Catchup()
        past = self._past(topic, wish.view, stream, position, plan)
        if plan.after is None:
            catchup.begin(past.frames, None, _nothing, _nothing)
            self._answer(outlet, wish, _recovered(topic, str(wish.since), plan), position)
            catchup.isAnswered = True
            outlet.catchUp(topic.canonical, catchup)
            return
        # What is published while the database is asked must wait.
        live = stream.position
        outlet.catchUp(topic.canonical, catchup)
        fail = partial(self._fail, outlet, wish, catchup)

        def surveyed(reason: str | None) -> None:
            self._isFailing = False
            if outlet.catchingUp(topic.canonical) is not catchup:
                # It has left, or asked again.
                return
            if reason is None:
                catchup.begin(past.frames, past.pages(), outlet.resumeCatchUp, fail)
                self._answer(outlet, wish, _recovered(topic, str(wish.since), plan), position)
                outlet.resumeCatchUp()
            elif wish.selection is not None:
                self._beginAnew(outlet, wish, stream, Gap(reason))
            else:
                catchup.beginWithNothing()
                self._answer(outlet, wish, _anew(topic, live, Gap(reason)))
                outlet.resumeCatchUp()

        if topic.table is not None and self._feeds.isDown:
            # Many who ask now must not stand in the way of the feed when it is up again.
            fail(Failure(_unavailable()))
            return
        past.survey(self.limit, self._hub.now()).addCallback(surveyed).addErrback(fail)

    def _beginAnew(
        self, outlet: Outbound, wish: SubscribeRequest, stream: TopicLog, gap: Gap | None
    ) -> None:
        """
        Begin at the present, with what is in the table if that is wanted.

        @param gap: Why somebody who came back does not get what it missed.
        """
        topic = wish.topic
        isGone = topic.table is not None and self._feeds.isGone(topic.table)
        if wish.selection is None or isGone:
            outlet.endCatchUp(topic.canonical)
            self._answer(outlet, wish, _anew(topic, stream.position, gap))
            if wish.selection is not None:
                # The subscription stays, for its client to hear when the table is back.
                outlet.send(_gone(topic))
            return
        # Where the changes begin shows when the rows are there.  Before, nothing of what is
        # published need be held: it will be read in the log, or the rows have seen it.
        self._answer(outlet, wish, _anew(topic, None, gap))
        catchup = Catchup()
        catchup.behind = stream.position
        catchup.isAnswered = True
        outlet.catchUp(topic.canonical, catchup)
        fail = partial(self._fail, outlet, wish, catchup)
        if self._feeds.isDown:
            fail(Failure(_unavailable()))
            return
        assert topic.table is not None
        if outlet.catchingUp(topic.canonical) is not catchup:
            return
        reading = self.snapshots.read(topic.table, wish.selection, outlet)
        catchup.onSpent = reading.cancel
        reading.addCallback(partial(self._sendRows, outlet, wish, stream, catchup))
        reading.addErrback(fail)

    def _sendRows(
        self,
        outlet: Outbound,
        wish: SubscribeRequest,
        stream: TopicLog,
        catchup: Catchup,
        hold: Hold,
    ) -> None:
        """
        Send rows, and then the changes from the point at which they were read.
        """
        canonical = wish.topic.canonical
        self._isFailing = False
        rows, seen = hold.rows, hold.rows.snapshot
        catchup.onSpent = hold.release
        position = Position(stream.epoch, None, seen.position, seen.lineage)
        projection = None if wish.view is None else wish.view.projection
        pages = rows.pages(canonical, projection, str(position))
        catchup.begin(pages, None, _nothing, _nothing)
        catchup.behind = position
        outlet.resumeCatchUp()

    def _past(
        self, topic: Topic, view: View | None, stream: TopicLog, position: Position, plan: Plan
    ) -> Replay:
        if stream.within and view is not None and view.selects:
            # What comes live knows nothing of what this one is told of the past.
            self._feeds.enter(topic, view)
        return Replay(self._feeds.tracker, self._history, topic, view, stream, position, plan)

    def _fail(
        self, outlet: Outbound, wish: SubscribeRequest, catchup: Catchup, failure: Failure
    ) -> None:
        canonical = wish.topic.canonical
        if failure.check(CancelledError) or outlet.catchingUp(canonical) is not catchup:
            # It has left, or asked again.
            return
        outlet.endCatchUp(canonical)
        if isinstance(failure.value, RealtimeError):
            wish.refuse(failure.value)
            return
        if not self._isFailing:
            # Whoever asks again must not fill the log.
            self.log.failure("what a subscription begins with cannot be read", failure)
        self._isFailing = True
        wish.refuse(_unavailable())

    def _answer(
        self,
        outlet: Outbound,
        wish: SubscribeRequest,
        answer: Subscribed,
        recovered: Position | None = None,
    ) -> None:
        outlet.send(replace(answer, sync=True) if wish.sync else answer)
        catchup = outlet.catchingUp(wish.topic.canonical)
        if catchup is not None:
            catchup.isAnswered = True
        outlet.takePages(wish.topic.canonical, wish.sync)
        self._hub.presence.sync(outlet, wish.topic, wish.sync)
        self._feeds.sendFeedStatus(outlet, wish.topic, recovered)

    # Going on

    def hold(self, outlet: Outbound, topic: Topic) -> Catchup:
        """
        Tell a client nothing of a table for now.  What changes meanwhile is read in the log
        afterwards, by what the client may read then.

        @return: What L{release} takes.
        """
        canonical = topic.canonical
        # What was published until now was for it.
        self._hub.delivery.handOver(canonical, outlet)
        held = Catchup()
        held.behind = self._feeds.openLog(topic).standing
        outlet.catchUp(canonical, held)
        return held

    def release(self, outlet: Outbound, held: Catchup) -> None:
        """
        Go on with a table that was held.
        """
        held.beginWithNothing()
        outlet.resumeCatchUp()

    def syncAgain(self, outlet: Outbound, canonical: str) -> None:
        """
        Tell a client anew who is present on a topic: it was too slow for each change.
        """
        paged = outlet.takesPages(canonical)
        self._hub.presence.sync(outlet, topicOf(canonical), paged, unasked=True)

    def readOn(self, outlet: Outbound, canonical: str, catchup: Catchup) -> None:
        """
        Go on with the log of a table's topic, for a client that was too slow to take it as
        it came.  Where the log cannot be read it is tried again; where a part of it is
        gone the client is closed, as one that was too slow, and is told of the gap when
        it comes back.
        """
        topic = topicOf(canonical)
        # What was published until now is in the log, so it must not come live as well.
        self._hub.delivery.handOver(canonical, outlet)
        position = catchup.readOn()
        stream = self._feeds.openLog(topic)
        plan = stream.resume(position, self._clock.seconds())
        if isinstance(plan, Gap):
            outlet.giveUp()
            return
        view = self._hub.registry.subscribers(canonical)[outlet]
        past = self._past(topic, view, stream, position, plan)
        if plan.after is None:
            catchup.begin(past.frames, None, _nothing, _nothing)
            return

        def surveyed(reason: str | None) -> None:
            if outlet.catchingUp(canonical) is not catchup:
                return
            if reason is not None:
                outlet.giveUp()
                return
            catchup.begin(past.frames, past.pages(), outlet.resumeCatchUp, failed)
            outlet.resumeCatchUp()

        def failed(failure: Failure) -> None:
            if outlet.catchingUp(canonical) is not catchup:
                return
            if isinstance(failure.value, RealtimeError):
                outlet.giveUp()
                return
            self.log.failure("a table's log cannot be read on; trying again", failure)
            catchup.interrupt(past.reached)
            self._clock.callLater(RETRY, again)

        def again() -> None:
            if outlet.catchingUp(canonical) is not catchup:
                return
            if self._feeds.isDown:
                self._clock.callLater(RETRY, again)
                return
            catchup.beginWithNothing()
            outlet.resumeCatchUp()

        past.survey(None, self._hub.now()).addCallback(surveyed).addErrback(failed)

    def _stream(self, topic: Topic) -> TopicLog:
        if topic.table is not None:
            return self._feeds.openLog(topic)
        return self._hub.delivery.openLog(topic.canonical)


def _unavailable() -> RealtimeError:
    return RealtimeError(
        "database_unavailable", "The database cannot be read now; subscribe again.", 1000
    )


def _gone(topic: Topic) -> Error:
    return Error(
        code="unknown_table",
        message=f"The table {topic.table} is not there now, so it has no rows to begin with; a"
        " status frame says when it is back.",
        topic=topic.canonical,
    )


def _recovered(topic: Topic, since: str, plan: Plan) -> Subscribed:
    # Whoever is cut off right behind this answer has to come back to where it was.
    return Subscribed(
        topic=topic.canonical,
        pos=since,
        recovered=True,
        keptOnly=True if plan.keptOnly else UNSET,
    )


def _anew(topic: Topic, live: Position | None, gap: Gap | None) -> Subscribed:
    """
    @param live: Where the changes begin; L{None} if the rows before them say so.
    """
    return Subscribed(
        topic=topic.canonical,
        pos=UNSET if live is None else str(live),
        recovered=UNSET if gap is None else False,
        gap=UNSET if gap is None else {"reason": gap.reason},
    )


def _nothing(*args: object) -> None:
    """Nothing is read from the database."""
