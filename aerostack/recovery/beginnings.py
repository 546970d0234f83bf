"""
What a subscription begins with that goes on from no position: rows of a table, values of keys, the
newest frames of a topic, or what its token streams are up to.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from aerostack.core.replay.gaps import Gap
from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.topics import Topic
from aerostack.delivery.catchup import Catchup, Stage
from aerostack.delivery.interfaces import Recipient
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.framing import Frame
from aerostack.protocol.serverframes import Subscribed
from aerostack.protocol.streams import snapshotFrames
from aerostack.recovery.ahead import Ahead
from aerostack.recovery.logreader import LogReader
from aerostack.recovery.replay import (
    readable,
)
from aerostack.recovery.requests import (
    SubscribeRequest,
    startingAt,
    unavailable,
)
from aerostack.recovery.values import ValuePages, valueFrames
from aerostack.tables.feed import TableFeed
from aerostack.tables.snapshots import Snapshots


class Beginnings:
    """
    Answers subscriptions that begin anew, and sends what they begin with.

    @ivar snapshots: Reads the rows that subscriptions begin with.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        feeds: TableFeed,
        history: IKeptMessages,
        bounds: Bounds,
        values: IKeyedValues,
        streams: IStreams,
    ) -> None:
        """
        @param values: Reads the values of keyed topics.
        @param streams: Reads token streams, whichever process has them.
        """
        self.snapshots = Snapshots(feeds.tracker, bounds)
        self._clock = clock
        self._hub = hub
        self._feeds = feeds
        self._reader = LogReader(clock, hub, feeds, history, streams)
        self._values = values
        self._ahead = Ahead(clock, hub, feeds)
        # The database could not be read the last time that it was asked.
        self._isFailing = False

    async def _sendRows(
        self,
        outbound: Recipient,
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
        reading = self.snapshots.read(topic.table, selection, outbound.reader)
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
            view = request.view
            projection, name = (None, "") if view is None else (view.projection, view.name)
            pages = hold.rows.pages(topic.canonical, projection, str(position), name)
            await outbound.writePast(catchup, pages)
        finally:
            hold.release()

    async def _sendValues(
        self,
        outbound: Recipient,
        request: SubscribeRequest,
        catchup: Catchup,
        gap: Gap | None,
    ) -> None:
        """
        Send the values of a keyed topic, for a client that begins anew.

        They come in the order of their places, so that the place of each is one to go on from.  A
        value that changes meanwhile comes live.

        @param gap: Why a client that came back does not get what it missed.
        @raise Unreadable: The values cannot be read.
        """
        topic = request.topic
        canonical = topic.canonical
        # What was published until now is in the values, or was for those who came earlier.
        self._hub.delivery.handOver(canonical, outbound)
        catchup.restart(None)
        live = self._openLog(topic).position
        pages = ValuePages(self._values, canonical, live)
        page = await readable(catchup.read(pages.next()))
        self._answer(outbound, request, startingAt(topic, None if page else live, gap))
        while page and catchup.stage is not Stage.ENDED:
            following = pages.next()
            # A client that does not read has two pages in memory.
            after = await readable(catchup.read(following))
            await outbound.writePast(catchup, valueFrames(canonical, page, live, not after))
            page = after

    def _isKeyed(self, topic: Topic) -> bool:
        return self._hub.sequencer.keyedPolicy(topic.canonical) is not None

    async def _sendNewest(
        self,
        outbound: Recipient,
        request: SubscribeRequest,
        catchup: Catchup,
        gap: Gap | None,
    ) -> None:
        """
        Send the newest frames of a topic's log, and what its token streams are up to, for a client
        that begins anew.

        @param gap: Why a client that came back does not get what it missed.
        """
        topic = request.topic
        try:
            await self._ahead.fill(outbound, topic, catchup)
        except RealtimeError:
            # A client that has not asked for the past gets what is here of it, and what is live.
            if request.isRewindAsked:
                raise
        # What was published until now is in the log, so it must not come live as well.
        self._hub.delivery.handOver(topic.canonical, outbound)
        catchup.dropEntries()
        log = self._openLog(topic)
        live = log.position
        snapshot = self._answersOf(topic, live)
        replay = await self._reader.rewind(
            outbound, catchup, topic, log, request.rewind, request.isRewindAsked
        )
        # A client that is cut off before the first of these frames begins anew again.
        starts = None if replay is not None or snapshot is not None else live
        self._answer(outbound, request, startingAt(topic, starts, gap))
        if replay is not None:
            async for page in replay:
                await outbound.writePast(catchup, page)
        if snapshot is not None:
            await self._writeAnswers(outbound, catchup, snapshot)

    async def _sendAnswers(
        self,
        outbound: Recipient,
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
        frames = self._answersOf(topic, self._openLog(topic).position)
        if frames is not None:
            await self._writeAnswers(outbound, catchup, frames)

    def _answersOf(self, topic: Topic, live: Position) -> Iterator[Frame] | None:
        """
        What the token streams of a topic are up to here.  What comes to them from now on is not in
        it.

        @param live: Where the topic's log is now.
        @return: L{None} if no stream runs.
        """
        answers = self._hub.sequencer.answers
        running = answers.of(topic.canonical)
        return snapshotFrames(running, str(live), answers.frames) if running else None

    async def _writeAnswers(
        self, outbound: Recipient, catchup: Catchup, frames: Iterator[Frame]
    ) -> None:
        """
        Send what token streams are up to.

        @param frames: See L{_answersOf}.
        """
        self._hub.joins.count += 1
        await outbound.writePast(catchup, self._counted(frames))

    def _counted(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self._hub.joins.size += len(frame)
            yield frame

    def _answer(
        self,
        outbound: Recipient,
        request: SubscribeRequest,
        answer: Subscribed,
        recovered: Position | None = None,
    ) -> None:
        """
        Answer a subscription, and send what the client needs to know at its beginning.

        @param recovered: The position from which a client that comes back gets what it missed.
        """
        topic, members = request.topic, outbound.members
        isPaged = request.sync and members is not None
        outbound.send(replace(answer, sync=True) if isPaged else answer)
        catchup = outbound.catchingUp(topic.canonical)
        if catchup is not None:
            catchup.isAnswered = True
        if members is not None:
            members.takePages(topic.canonical, request.sync)
            self._hub.presence.sync(members, topic, request.sync)
        self._feeds.sendFeedStatus(outbound, topic, recovered)
        self._hub.outage.send(outbound, topic)

    def _openLog(self, topic: Topic) -> TopicLog:
        if topic.table is not None:
            return self._feeds.openLog(topic)
        return self._hub.sequencer.openLog(topic.canonical)
