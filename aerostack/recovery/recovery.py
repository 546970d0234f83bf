"""
How a subscription begins: at the present, with the rows of a table, or at the position that its
client has.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.log import LOST, Gap, TopicLog
from aerostack.core.replay.positions import Position, parsePosition
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.delivery.catchup import Catchup, Stage, ignoreEnd
from aerostack.delivery.outbound import Outbound
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.protocol.framing import Frame, joinFrames
from aerostack.protocol.serverframes import Subscribed
from aerostack.protocol.streams import snapshotFrames
from aerostack.recovery.ahead import Ahead
from aerostack.recovery.logreader import LogReader
from aerostack.recovery.pacing import Pacer
from aerostack.recovery.replay import Replay, Unreadable, readable, recentFrames
from aerostack.recovery.requests import (
    SubscribeRequest,
    goingOn,
    lostGap,
    startingAt,
    tableGone,
    unavailable,
)
from aerostack.tables.feed import TableFeed
from aerostack.tables.snapshots import Snapshots


class Recovery:
    """
    Answers subscriptions, and brings clients up to date that come back or read too slowly.

    @ivar limit: How many rows of the past one subscription gets from the database.
    @ivar snapshots: Reads the rows that subscriptions begin with.
    @ivar lateJoins: How many subscriptions began with token streams that were running.
    @ivar snapshotBytes: How many bytes these were sent at their beginnings.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        feeds: TableFeed,
        history: IKeptMessages,
        limit: int,
        bounds: Bounds,
    ) -> None:
        self.limit = limit
        self.lateJoins = 0
        self.snapshotBytes = 0
        self.snapshots = Snapshots(feeds.tracker, bounds)
        self._clock = clock
        self._hub = hub
        self._feeds = feeds
        self._reader = LogReader(clock, hub, feeds, history)
        self._ahead = Ahead(clock, hub, feeds)
        self._pacer = Pacer(clock)
        # The database could not be read the last time that it was asked.
        self._isFailing = False

    def reload(self, bounds: Bounds) -> None:
        """Read no more rows than these bounds allow from now on."""
        self.snapshots.reload(bounds)

    # For subscriptions

    def begin(self, outbound: Outbound, request: SubscribeRequest) -> None:
        """
        Answer a subscription that has just been made.  For most, nothing has to be read.
        """
        topic = request.topic
        running = self._hub.sequencer.answers.of(topic.canonical)
        if request.since is None and request.selection is None and not running:
            self._answer(outbound, request, startingAt(topic, self._openLog(topic).position, None))
            return
        if request.since is not None and self._sendMissed(outbound, request, request.since):
            # After a short break of the network nearly all clients are like this.
            return
        catchup = Catchup()
        outbound.catchUp(topic.canonical, catchup)
        self._start(outbound, self._subscribe(outbound, request, catchup))

    def _sendMissed(self, outbound: Outbound, request: SubscribeRequest, since: str) -> bool:
        """
        Answer a client that has missed so little that the daemon sends all of it at once.

        @return: Whether the client was answered.
        """
        topic, position = request.topic, parsePosition(since)
        if position is None or not outbound.isDirect:
            return False
        log = self._openLog(topic)
        frames = recentFrames(topic, request.view, log, position, self._clock.seconds())
        if frames is None:
            return False
        self._feeds.enter(topic, request.view)
        self._answer(outbound, request, goingOn(topic, since, False), position)
        if frames:
            outbound.deliver(joinFrames(frames))
        return True

    def hold(self, outbound: Outbound, topic: Topic) -> Catchup:
        """
        Send a client nothing of a table for now.  Afterwards the client gets the changes from the
        log, by the rights that it has then.

        @return: What L{readOn} takes to go on with the table.
        """
        # What was published until now was for it.
        self._hub.delivery.handOver(topic.canonical, outbound)
        held = Catchup(self._feeds.openLog(topic).standing)
        outbound.catchUp(topic.canonical, held)
        return held

    def goOn(
        self, outbound: Outbound, request: SubscribeRequest, catchup: Catchup, since: Position
    ) -> None:
        """
        Answer a subscription that was interrupted, as if its client had come back.

        @param since: Where the log stood when C{catchup} began to hold what is published.
        """
        if catchup.stage is not Stage.ENDED:
            # What was published until now is in the log, so it must not come live as well.
            self._hub.delivery.handOver(request.topic.canonical, outbound)
            catchup.setAside(since)
            self._start(outbound, self._subscribe(outbound, request, catchup))

    def tellLost(self, outbound: Outbound, topic: Topic, request: SubscribeRequest) -> None:
        """
        Tell a client that it does not get what it missed, because that cannot be read.
        """
        self._answer(outbound, request, startingAt(topic, self._openLog(topic).position, LOST))

    # For clients

    def pace(self, outbound: Outbound) -> None:
        """Give a client its next piece of the past when it is its turn."""
        self._pacer.pace(outbound)

    def readOn(self, outbound: Outbound, canonical: str, catchup: Catchup) -> None:
        """Read a table's log on for a client that is behind."""
        self._start(outbound, self._reader.follow(outbound, topicOf(canonical), catchup))

    def syncAgain(self, outbound: Outbound, canonical: str) -> None:
        """
        Send a client the members of a topic again, because it was too slow for each change.
        """
        paged = outbound.takesPages(canonical)
        self._hub.presence.sync(outbound, topicOf(canonical), paged, unasked=True)

    def _start(self, outbound: Outbound, coroutine: Coroutine[Any, Any, None]) -> None:
        """Let a catch-up's coroutine run until the catch-up ends."""
        going = Deferred.fromCoroutine(coroutine)
        going.addErrback(ignoreEnd).addErrback(outbound.fail)

    # The way of a resume, from top to bottom

    async def _subscribe(
        self, outbound: Outbound, request: SubscribeRequest, catchup: Catchup
    ) -> None:
        """Bring a subscription from where it begins to the present."""
        try:
            await self._resume(outbound, request, catchup)
        except (RealtimeError, Unreadable) as error:
            outbound.endCatchUp(request.topic.canonical)
            request.refuse(self._refusal(error))
            return
        await outbound.writeHeld(catchup)
        await self._reader.follow(outbound, request.topic, catchup)

    async def _resume(
        self, outbound: Outbound, request: SubscribeRequest, catchup: Catchup
    ) -> None:
        """
        Answer a subscription, and send what its client has missed, or else the rows that it
        wants.

        @raise RealtimeError: The past or the rows cannot be read; the client gets this error.
        @raise Unreadable: The database cannot be read; the error says nothing for clients.
        """
        topic, gap = request.topic, None
        position = None if request.since is None else parsePosition(request.since)
        if position is not None:
            await self._ahead.wait(outbound, topic, self._openLog(topic), catchup, position)
        log = self._openLog(topic)
        # What is published from here on is held.
        live = log.position
        if request.since is not None:
            replay = self._reader.plan(outbound, catchup, topic, request.view, log, position)
            running = self._hub.sequencer.answers.of(topic.canonical)
            # What comes to them from here on is held.
            snapshot = snapshotFrames(running, str(live))
            if isinstance(replay, Gap):
                gap = replay
            elif (gap := await self._survey(topic, replay)) is None:
                catchup.forgetAside()
                answer = goingOn(topic, str(request.since), replay.isKeptOnly)
                self._answer(outbound, request, answer, position)
                async for page in replay:
                    await outbound.writePast(catchup, page)
                if replay.isKeptOnly and running:
                    # The text of running streams is not kept yet.
                    await self._writeAnswers(outbound, catchup, snapshot)
                return
            gap = lostGap(request, position, log) or gap
        answers = self._hub.sequencer.answers.of(topic.canonical)
        if request.selection is None and answers:
            await self._sendAnswers(outbound, request, catchup, gap)
        elif request.selection is None:
            self._answer(outbound, request, startingAt(topic, catchup.takeBack() or live, gap))
        elif topic.table is not None and self._feeds.isGone(topic.table):
            catchup.restart(None)
            self._answer(outbound, request, startingAt(topic, log.position, gap))
            # The subscription stays, for its client to hear when the table is back.
            outbound.send(tableGone(topic))
        else:
            await self._sendRows(outbound, request, catchup, log, gap)

    async def _survey(self, topic: Topic, replay: Replay) -> Gap | None:
        """Look whether the database still has what a client has missed."""
        if not replay.isStored:
            return None
        if topic.table is not None and self._feeds.isDown:
            # Many who ask now must not stand in the way of the feed when it is up again.
            raise unavailable()
        gap = await replay.survey(self.limit, self._hub.now())
        self._isFailing = False
        return gap

    async def _sendRows(
        self,
        outbound: Outbound,
        request: SubscribeRequest,
        catchup: Catchup,
        log: TopicLog,
        gap: Gap | None,
    ) -> None:
        """
        Send a table's rows; the changes come from the point at which they were read.

        @param gap: Why a client that came back does not get what it missed.
        """
        topic, selection = request.topic, request.selection
        assert topic.table is not None and selection is not None
        # Where the changes begin shows when the rows are there.  Before, nothing of the log
        # need be held: it is read later, or the rows have seen it.
        catchup.restart(log.position)
        self._answer(outbound, request, startingAt(topic, None, gap))
        if catchup.stage is Stage.ENDED:
            return
        if self._feeds.isDown:
            raise unavailable()
        reading = self.snapshots.read(topic.table, selection, outbound)
        try:
            hold = await readable(catchup.read(reading))
        finally:
            # If the client has left, it does not want the rows any more.
            reading.cancel()
        try:
            self._isFailing = False
            seen = hold.rows.snapshot
            position = Position(log.epoch, None, seen.position, seen.lineage)
            catchup.behind = position
            projection = None if request.view is None else request.view.projection
            pages = hold.rows.pages(topic.canonical, projection, str(position))
            await outbound.writePast(catchup, pages)
        finally:
            hold.release()

    async def _sendAnswers(
        self,
        outbound: Outbound,
        request: SubscribeRequest,
        catchup: Catchup,
        gap: Gap | None,
    ) -> None:
        """
        Send what the token streams of a topic are up to here, for a client that begins anew.

        @param gap: Why a client that came back does not get what it missed.
        """
        topic = request.topic
        # What was published until now is in these streams, or was for those who came earlier.
        self._hub.delivery.handOver(topic.canonical, outbound)
        catchup.restart(None)
        # A client that is cut off in the middle has no position, and begins anew again.
        self._answer(outbound, request, startingAt(topic, None, gap))
        answers = self._hub.sequencer.answers.of(topic.canonical)
        live = self._openLog(topic).position
        await self._writeAnswers(outbound, catchup, snapshotFrames(answers, str(live)))

    async def _writeAnswers(
        self, outbound: Outbound, catchup: Catchup, frames: Iterator[Frame]
    ) -> None:
        """
        Send what token streams are up to.

        @param frames: See L{snapshotFrames}.
        """
        self.lateJoins += 1
        await outbound.writePast(catchup, self._counted(frames))

    def _counted(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.snapshotBytes += len(frame)
            yield frame

    def _refusal(self, error: RealtimeError | Unreadable) -> RealtimeError:
        """Make the error for a client whose subscription cannot begin."""
        if isinstance(error, RealtimeError):
            return error
        if not self._isFailing:
            # A client that asks again must not fill the log.
            cause = Failure(error.__cause__)
            self.log.failure("what a subscription begins with cannot be read", cause)
        self._isFailing = True
        return unavailable()

    def _answer(
        self,
        outbound: Outbound,
        request: SubscribeRequest,
        answer: Subscribed,
        recovered: Position | None = None,
    ) -> None:
        """
        Answer a subscription, and send what the client needs to know at its beginning.

        @param recovered: The position from which a client that comes back gets what it missed.
        """
        topic = request.topic
        outbound.send(replace(answer, sync=True) if request.sync else answer)
        catchup = outbound.catchingUp(topic.canonical)
        if catchup is not None:
            catchup.isAnswered = True
        outbound.takePages(topic.canonical, request.sync)
        self._hub.presence.sync(outbound, topic, request.sync)
        self._feeds.sendFeedStatus(outbound, topic, recovered)
        self._hub.outage.send(outbound, topic)

    def _openLog(self, topic: Topic) -> TopicLog:
        if topic.table is not None:
            return self._feeds.openLog(topic)
        return self._hub.sequencer.openLog(topic.canonical)
