"""
How a subscription begins: at the present, with the rows of a table, or at the position that its
client has.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.gaps import EXPIRED, LOST, Gap
from aerostack.core.replay.positions import Position, parsePosition
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.delivery.catchup import Catchup, Stage, ignoreEnd
from aerostack.delivery.interfaces import Recipient
from aerostack.delivery.outbound import Outbound
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.framing import joinFrames
from aerostack.recovery.beginnings import Beginnings
from aerostack.recovery.pacing import Pacer
from aerostack.recovery.replay import (
    Replay,
    Unreadable,
    recentFrames,
    rewoundFrames,
)
from aerostack.recovery.requests import (
    SubscribeRequest,
    goingOn,
    lostGap,
    startingAt,
    tableGone,
    unavailable,
)
from aerostack.tables.feed import TableFeed


class Recovery(Beginnings):
    """
    Answers subscriptions, and brings clients up to date that come back or read too slowly.

    @ivar limit: How many rows of the past one subscription gets from the database.
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
        values: IKeyedValues,
        streams: IStreams,
    ) -> None:
        """
        @param limit: See L{limit}.
        @param values: Reads the values of keyed topics.
        @param streams: Reads token streams, whichever process has them.
        """
        super().__init__(clock, hub, feeds, history, bounds, values, streams)
        self.limit = limit
        self._pacer = Pacer(clock)

    def reload(self, bounds: Bounds) -> None:
        """Read no more rows than these bounds allow from now on."""
        self.snapshots.reload(bounds)

    # For subscriptions

    def begin(self, outbound: Recipient, request: SubscribeRequest) -> None:
        """
        Answer a subscription that has just been made.  For most, nothing has to be read.
        """
        topic = request.topic
        running = self._hub.sequencer.answers.of(topic.canonical)
        isAnew = request.since is None and request.selection is None
        isPlain = isAnew and not running and not self._isKeyed(topic)
        if isPlain and not request.rewind:
            self._answer(outbound, request, startingAt(topic, self._openLog(topic).position, None))
            return
        if request.since is not None and self._sendMissed(outbound, request, request.since):
            # After a short break of the network nearly all clients are like this.
            return
        if isPlain and self._sendRewound(outbound, request):
            return
        catchup = Catchup()
        outbound.catchUp(topic.canonical, catchup)
        self._start(outbound, self._subscribe(outbound, request, catchup))

    def _sendMissed(self, outbound: Recipient, request: SubscribeRequest, since: str) -> bool:
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

    def _sendRewound(self, outbound: Recipient, request: SubscribeRequest) -> bool:
        """
        Answer a client that begins with so few frames, all in memory, that the daemon sends them
        at once.

        @return: Whether the client was answered.
        """
        if not outbound.isDirect:
            return False
        log = self._openLog(request.topic)
        frames = rewoundFrames(log, request.rewind, self._clock.seconds())
        if frames is None:
            return False
        self._answer(outbound, request, startingAt(request.topic, None, None))
        outbound.deliver(joinFrames(frames))
        return True

    def hold(self, outbound: Recipient, topic: Topic) -> Catchup:
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
        self, outbound: Recipient, request: SubscribeRequest, catchup: Catchup, since: Position
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

    def tellLost(self, outbound: Recipient, topic: Topic, request: SubscribeRequest) -> None:
        """
        Tell a client that it does not get what it missed, because that cannot be read.
        """
        self._answer(outbound, request, startingAt(topic, self._openLog(topic).position, LOST))

    # For clients

    def pace(self, outbound: Outbound) -> None:
        """Give a client its next piece of the past when it is its turn."""
        self._pacer.pace(outbound)

    def readOn(self, recipient: Recipient, topic: str, catchup: Catchup) -> None:
        """Read a table's log on for a client that is behind."""
        self._start(recipient, self._reader.follow(recipient, topicOf(topic), catchup))

    def syncAgain(self, outbound: Outbound, canonical: str) -> None:
        """
        Send a client the members of a topic again, because it was too slow for each change.
        """
        paged = outbound.takesPages(canonical)
        self._hub.presence.sync(outbound, topicOf(canonical), paged, unasked=True)

    def _start(self, outbound: Recipient, coroutine: Coroutine[Any, Any, None]) -> None:
        """Let a catch-up's coroutine run until the catch-up ends."""
        going = Deferred.fromCoroutine(coroutine)
        going.addErrback(ignoreEnd).addErrback(outbound.fail)

    # The way of a resume, from top to bottom

    async def _subscribe(
        self, outbound: Recipient, request: SubscribeRequest, catchup: Catchup
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
        self, outbound: Recipient, request: SubscribeRequest, catchup: Catchup
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
            # What comes to the streams from here on is held.
            snapshot = self._answersOf(topic, live)
            if isinstance(replay, Gap):
                gap = replay
            elif replay.isKeptOnly and self._isKeyed(topic):
                # The values that were not kept are gone.
                gap = EXPIRED
            elif (gap := await self._survey(topic, replay)) is None:
                catchup.forgetAside()
                answer = goingOn(topic, str(request.since), replay.isKeptOnly)
                self._answer(outbound, request, answer, position)
                async for page in replay:
                    await outbound.writePast(catchup, page)
                if replay.isKeptOnly and snapshot is not None:
                    # The text of running streams is not kept yet.
                    await self._writeAnswers(outbound, catchup, snapshot)
                return
            gap = lostGap(request, position, log) or gap
        if self._isKeyed(topic):
            await self._sendValues(outbound, request, catchup, gap)
            return
        if request.rewind:
            await self._sendNewest(outbound, request, catchup, gap)
            return
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
