"""
Reads the log of a topic for clients that are behind.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.gaps import UNKNOWN, Gap
from aerostack.core.replay.log import Plan, TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.interfaces import Recipient
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.streams import IStreams
from aerostack.recovery.replay import Replay, Unreadable, countsInRewind, readable
from aerostack.tables.feed import TableFeed

RETRY = 1.0
"""After how many seconds the daemon tries again to read a log that it could not read."""


class LogReader:
    """
    Decides how clients get what comes after a position, and reads on for those that are too slow.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        feeds: TableFeed,
        history: IKeptMessages,
        streams: IStreams,
    ) -> None:
        self._clock = clock
        self._hub = hub
        self._feeds = feeds
        self._history = history
        self._streams = streams

    def plan(
        self,
        outbound: Recipient,
        catchup: Catchup,
        topic: Topic,
        view: View | None,
        log: TopicLog,
        position: Position | None,
    ) -> Replay | Gap:
        """
        Decide how a client gets what comes after a position.

        @param position: L{None} if the client brought one that was never ours.
        """
        plan = UNKNOWN if position is None else log.resume(position, self._clock.seconds())
        if isinstance(plan, Gap):
            return plan
        assert position is not None
        self._feeds.enter(topic, view)
        return self._replay(outbound, catchup, topic, view, log, position, plan)

    async def rewind(
        self,
        outbound: Recipient,
        catchup: Catchup,
        topic: Topic,
        log: TopicLog,
        count: int,
        isRequired: bool,
    ) -> Replay | None:
        """
        Decide how a client gets the newest frames of a topic that is no table's.  What is published
        after this call is none of them.

        @param count: How many frames at the most.
        @param isRequired: Whether the kept ones must be among them.  If not, the client gets those
            in memory if the database cannot be read.
        @return: L{None} if there are none.
        @raise RealtimeError: They cannot be read.
        @raise Unreadable: They cannot be read.
        """
        entries, base = log.latest(count, countsInRewind, self._clock.seconds())
        after = base
        if len(entries) < count:
            lacking = count - len(entries)
            try:
                locating = self._history.locatePast(topic.canonical, base, lacking)
                after = await readable(catchup.read(locating))
            except (RealtimeError, Unreadable):
                if isRequired:
                    raise
        if after >= base and not entries:
            return None
        plan = Plan(entries, after, base, keptOnly=True, partial=True)
        position = Position(log.epoch, None, after)
        return self._replay(outbound, catchup, topic, None, log, position, plan)

    def _replay(
        self,
        outbound: Recipient,
        catchup: Catchup,
        topic: Topic,
        view: View | None,
        log: TopicLog,
        position: Position,
        plan: Plan,
    ) -> Replay:
        return Replay(
            self._feeds.tracker,
            self._history,
            topic,
            view,
            log,
            position,
            plan,
            catchup.read,
            partial(outbound.awaitTurn, catchup),
            partial(self._hub.sequencer.answers.get, topic.project),
            partial(self._streams.get, topic.project),
        )

    async def follow(self, outbound: Recipient, topic: Topic, catchup: Catchup) -> None:
        """
        Send a client that is behind the rest of a table's log, until live frames can go to it
        directly.

        If the log cannot be read, the daemon tries again.  If a part of the log is gone, the
        daemon closes the client as too slow.  The client gets a gap when it comes back.
        """
        canonical = topic.canonical
        while catchup.behind is not None:
            await outbound.awaitTurn(catchup)
            # What was published until now is in the log, so it must not come live as well.
            self._hub.delivery.handOver(canonical, outbound)
            position = catchup.leaveBehind()
            log = self._feeds.openLog(topic)
            view = self._hub.registry.subscribers(canonical)[outbound]
            replay = self.plan(outbound, catchup, topic, view, log, position)
            if isinstance(replay, Gap):
                outbound.giveUp()
                return
            try:
                if await replay.survey(None, self._hub.now()) is not None:
                    outbound.giveUp()
                    return
                async for page in replay:
                    await outbound.writePast(catchup, page)
            except RealtimeError:
                outbound.giveUp()
                return
            except Unreadable as error:
                cause = Failure(error.__cause__)
                self.log.failure("a table's log cannot be read on; trying again", cause)
                catchup.fallBehind(replay.reached)
                await self._pause(catchup)
                continue
            await outbound.writeHeld(catchup)
        outbound.endCatchUp(canonical)

    async def _pause(self, catchup: Catchup) -> None:
        """Wait until the database may be asked again."""
        await catchup.read(deferLater(self._clock, RETRY))
        while self._feeds.isDown:
            await catchup.read(deferLater(self._clock, RETRY))
