"""
Lets clients wait that come from a daemon which has got more of a topic than this one.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.replay.sharedlog import SharedLog
from aerostack.core.topics.topics import Topic
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.interfaces import Recipient
from aerostack.hub.hub import Hub
from aerostack.recovery.requests import unavailable
from aerostack.tables.feed import TableFeed

AHEAD = 2.0
"""For how many seconds a client waits that comes from a daemon which has read further than this
one."""


class Ahead:
    """
    Waits until this daemon has what a client has seen at another one.
    """

    def __init__(self, clock: IReactorTime, hub: Hub, feeds: TableFeed) -> None:
        self._clock = clock
        self._hub = hub
        self._feeds = feeds

    async def wait(
        self,
        outbound: Recipient,
        topic: Topic,
        log: TopicLog,
        catchup: Catchup,
        position: Position,
    ) -> None:
        """
        Wait until the log can say what comes after a position.

        @param log: That of the topic.  Another may be in its place afterwards.
        @raise RealtimeError: What this daemon lacks cannot be had now.
        """
        if log.isBehind(position):
            await self._reach(outbound, topic, catchup, position)
        elif topic.table is None:
            await self.fill(outbound, topic, catchup)
            await self._overtake(outbound, topic, catchup, position)

    async def _reach(
        self, outbound: Recipient, topic: Topic, catchup: Catchup, position: Position
    ) -> None:
        """
        Wait until this daemon has read the journal as far as the one from which a client comes.
        """
        if self._feeds.isDown:
            raise unavailable()
        catchup.restart(self._feeds.openLog(topic).standing)
        reached = self._feeds.tracker.reach(position.mark, AHEAD)
        await catchup.read(reached)
        # What was published meanwhile is in the log.
        self._hub.delivery.handOver(topic.canonical, outbound)
        catchup.restart(None)

    async def fill(self, outbound: Recipient, topic: Topic, catchup: Catchup) -> None:
        """
        Wait until the log has what there is of the topic from before it was attached.

        @raise RealtimeError: It cannot be had now.
        """
        filling = self._hub.source.fill(topic.canonical)
        if filling is not None:
            await catchup.read(filling)
            # What was published meanwhile is in the log.
            self._hub.delivery.handOver(topic.canonical, outbound)
            catchup.dropEntries()

    async def _overtake(
        self, outbound: Recipient, topic: Topic, catchup: Catchup, position: Position
    ) -> None:
        """
        Wait until the entry has come here up to which a client has come at another node, but not
        for long: the server may have lost it.
        """
        log = self._hub.sequencer.openLog(topic.canonical)
        if not isinstance(log, SharedLog) or not log.isAhead(position):
            return
        reached: Deferred[None] = Deferred()

        def come() -> None:
            # In the present turn the entry is yet to be given to the subscribers.
            timer.reset(0)

        def goOn() -> None:
            log.giveUp(come)
            reached.callback(None)

        timer = self._clock.callLater(AHEAD, goOn)
        log.wait(position.offset or 0, come)
        await catchup.read(reached)
        # What was published meanwhile is in the log.
        self._hub.delivery.handOver(topic.canonical, outbound)
        catchup.dropEntries()
