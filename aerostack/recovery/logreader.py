"""
Reads the log of a topic for clients that are behind.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.log import UNKNOWN, Gap, TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.outbound import Outbound
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.recovery.replay import Replay, Unreadable
from aerostack.tables.feed import TableFeed

RETRY = 1.0
"""After how many seconds the daemon tries again to read a log that it could not read."""


class LogReader:
    """
    Decides how clients get what comes after a position, and reads on for those that are too slow.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, hub: Hub, feeds: TableFeed, history: IKeptMessages
    ) -> None:
        self._clock = clock
        self._hub = hub
        self._feeds = feeds
        self._history = history

    def plan(
        self,
        outbound: Outbound,
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
        )

    async def follow(self, outbound: Outbound, topic: Topic, catchup: Catchup) -> None:
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
