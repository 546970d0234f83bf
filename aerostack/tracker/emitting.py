"""
Publishes the events that transactions of the database emit.

A transaction leaves its events in a table, so they are there if and only if it is committed.  The
daemon reads them in the order of the commits, publishes each, and deletes it.  If the daemon dies
between two of these steps, no event comes twice, and every event that is to be kept is kept:

  - Without an engine, the transaction that keeps an event deletes its row.  An event that is not
    kept is known to nothing that outlives the daemon, so its row is deleted before it is published.
    A daemon that dies meanwhile loses its connections and logs with it: subscribers that come back
    are told of a gap.
  - An engine knows each event by its key, and the history knows the message that keeps an event by
    its id.  The row is deleted when the engine has the event.  If it is read again before that, the
    history and the engine have the event once, in the place that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.publications import EmittedMark
from aerostack.core.topics.emitted import EmitRules, EmittedEvent, checkEmitted
from aerostack.core.topics.topics import Topic
from aerostack.errors import GivenUp, RealtimeError, TakenElsewhere
from aerostack.interfaces.emitting import IEmittedEvents
from aerostack.interfaces.tracking import IDatabase, IWaker
from aerostack.protocol.codec import checkJSON
from aerostack.tracker.faults import describe, isLost
from aerostack.tracker.retry import RetryState
from aerostack.tracker.ticker import Ticker

BATCH = 200
"""How many events one read has at the most."""

BATCH_BYTES = 1_048_576
"""About how many bytes of their data one read has at the most."""

TURN = 50
"""How many events are published in one turn of the reactor."""

OVERLOADED = 0.02
"""For how many seconds to wait while the subscribers of a topic cannot be sent more."""

SHOWN = 200
"""How many characters of a topic or an event's name the log shows."""

PATIENCE = 10.0
"""After how many seconds of failure L{EmittedPublisher.notice} mentions it."""

Publish = Callable[[Topic, str, bytes, bool, EmittedMark, str | None], Deferred[Any] | None]
"""Publishes an event; see L{aerostack.hub.publishing.Publisher.publishEmitted}."""


class EmittedPublisher:
    """
    Publishes the events that transactions emit.

    There is never more than one batch of events under way.

    @ivar published: How many events were published.
    @ivar refused: How many events were deleted, because they cannot be published.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        database: IDatabase,
        events: IEmittedEvents,
        rules: EmitRules,
        publish: Publish,
        pollInterval: float,
        *,
        isShared: bool,
        waker: IWaker | None = None,
    ) -> None:
        """
        @param database: Where the events are.  No other object may use it.
        @param rules: What an event may be.
        @param pollInterval: Seconds from one look for events to the next.
        @param isShared: Whether an engine has the topics' logs, which knows events by their keys.
        @param waker: Notices events between two looks; L{None} for no such help.
        """
        self.published = 0
        self.refused = 0
        self._clock = clock
        self._database = database
        self._events = events
        self._rules = rules
        self._publish = publish
        self._isShared = isShared
        self._waker = waker
        self._retry = RetryState(pollInterval)
        # Whether the last failure was that the database is gone.
        self._wasLost = False
        self._ticker = Ticker(clock, pollInterval, self._tick)
        self._isPrepared = True
        self._isStopping = False
        # Events that were read and could not be published yet.
        self._held: list[EmittedEvent] = []
        # The rows of events that were published, or refused, and have to be deleted.
        self._done: list[EmittedMark] = []
        # The rows of some of those that are held may be deleted or not.
        self._isDoubtful = False

    # Running

    def start(self) -> None:
        """
        Begin to look for events.
        """
        if self._waker is not None:
            self._waker.start(self._ticker.poke)
        self._ticker.start()
        # An earlier run may have left some.
        self._ticker.poke()

    def stop(self) -> Deferred[None]:
        """
        Publish what was read, and stop.

        @return: Fires when that is done.
        """
        self._isStopping = True
        stopped = None if self._waker is None else self._waker.stop()

        def report(_: object) -> Deferred[None] | None:
            if self._held and not self._isShared:
                lost = sum(not event.persist for event in self._held)
                self.log.warn("{n} events of transactions could not be published", n=lost)
            return stopped

        done: Deferred[None] = self._ticker.stop().addCallback(report)
        return done

    def poke(self) -> None:
        """
        Look soon, because a caller knows that there may be events.
        """
        self._ticker.poke()

    def reload(self, rules: EmitRules) -> None:
        """
        Go by other rules from now on.
        """
        if rules != self._rules:
            self._rules = rules
            self._isPrepared = False
            self._ticker.poke()

    def notice(self) -> str | None:
        """
        A sentence that says why events are not published; L{None} if they are.
        """
        retry = self._retry
        if retry.reason is None or self._clock.seconds() - retry.since < PATIENCE:
            return None
        return f"Events of transactions are not published: {retry.reason}."

    def _tick(self, urgent: bool) -> Deferred[None]:
        if self._isStopping or not self._retry.allows(self._clock.seconds(), urgent):
            return succeed(None)
        return Deferred.fromCoroutine(self._work())

    async def _work(self) -> None:
        try:
            if not self._isPrepared:
                await self._database.run(self._events.prepare, self._rules)
                self._isPrepared = True
            while not self._isStopping and await self._step():
                await deferLater(self._clock, 0)
        except GivenUp:
            # The next run of the daemon publishes what is left.
            return
        except RealtimeError as error:
            if error.code == "overloaded":
                # The subscribers of a topic are sent what was published before; that takes moments.
                self._ticker.pokeAfter(OVERLOADED)
            else:
                self._failed(error.message.rstrip("."))
        except Exception as error:
            # Whatever it is, a later tick tries again.  A program may have removed the table.
            self._isPrepared = False
            self._wasLost = isLost(error)
            reason = f"the database {describe(error)}"
            if self._retry.failed(self._clock.seconds(), reason):
                self.log.failure("Events of transactions cannot be read; trying again.")
        else:
            if self._retry.worked() and not self._wasLost:
                self.log.info("Events of transactions are published again.")
            self._wasLost = False

    def _failed(self, reason: str) -> None:
        if self._retry.failed(self._clock.seconds(), reason):
            self.log.warn("Events of transactions wait: {reason}.", reason=reason)

    # Publishing

    async def _step(self) -> bool:
        """
        Publish a batch of events.

        @return: Whether there may be more.
        @raise RealtimeError: Some events cannot be published now.
        """
        await self._forget()
        events = self._held or await self._database.run(self._events.read, BATCH, BATCH_BYTES)
        if not events:
            return False
        isClaimed = self._isShared or bool(self._held and not self._isDoubtful)
        if not isClaimed:
            events = await self._claim(events)
        batch = _Batch()
        await self._publishAll(events, batch)
        # Without an engine, the rows of some may be gone: claimed, or deleted by a transaction of
        # the history whose answer did not come.  With one, the rows are read again, because another
        # daemon may publish the events meanwhile.
        left = [] if self._isShared else batch.left
        self._held = [event for event in events if event.mark.key in left]
        # Otherwise they are deleted already: before, or by the history.
        done = [event.mark for event in batch.published if self._isShared]
        self._done = [*done, *batch.refused]
        await self._forget()
        if batch.error is not None:
            raise batch.error
        return True

    async def _forget(self) -> None:
        """
        Delete the rows of events that are done.  If that fails, it is tried again before anything
        else is read: an engine does not know the events for ever.
        """
        if self._done:
            await self._database.run(self._events.take, self._done)
            self._done = []

    async def _claim(self, events: list[EmittedEvent]) -> list[EmittedEvent]:
        """
        Delete the rows of events that are not to be kept, before they are published.

        @return: The events to publish.
        """
        marks = [event.mark for event in events if not event.persist]
        if not marks:
            return events
        # If the answer does not come, the rows may be gone all the same.
        wasDoubtful, self._held, self._isDoubtful = self._isDoubtful, events, True
        taken = await self._database.run(self._events.take, marks)
        self._isDoubtful = False
        if wasDoubtful:
            return events
        # Another daemon may have been first.
        return [event for event in events if event.persist or event.mark.key in taken]

    async def _publishAll(self, events: Sequence[EmittedEvent], batch: _Batch) -> None:
        """
        Publish events, those of one topic in their order.
        """
        for number, event in enumerate(events, 1):
            try:
                topic = checkEmitted(event, self._rules)
                data = event.data.encode()
                checkJSON(data, "data")
            except (RealtimeError, UnicodeEncodeError) as error:
                self._refuse(event, error, batch)
                continue
            if not batch.takes(topic.canonical, event):
                # What is kept and what is not are not placed by the same road.
                await batch.settled()
            if topic.canonical in batch.blocked:
                batch.left.add(event.mark.key)
                continue
            try:
                placed = self._publish(
                    topic, event.event, data, event.persist, event.mark, event.key
                )
            except Exception as error:
                # An event that the daemon cannot handle must not keep back all others.
                self._refuse(event, error, batch)
                continue
            if placed is None:
                self._placed(None, event, batch)
            else:
                batch.waiting[topic.canonical] = event.persist
                outcome = placed.addCallbacks(
                    self._placed,
                    self._unplaced,
                    (event, batch),
                    errbackArgs=(event, batch, topic.canonical),
                )
                batch.placing.append(outcome)
                if event.key is not None and not event.persist:
                    # If the key's value before is kept, so is this one; it takes that road then.
                    await batch.settled()
            if number % TURN == 0:
                await deferLater(self._clock, 0)
        await batch.settled()

    def _placed(self, result: object, event: EmittedEvent, batch: _Batch) -> None:
        self.published += 1
        batch.published.append(event)

    def _unplaced(self, failure: Failure, event: EmittedEvent, batch: _Batch, topic: str) -> None:
        error = failure.value
        if isinstance(error, TakenElsewhere):
            return
        if isinstance(error, RealtimeError) and (
            error.retryAfter is not None or isinstance(error, GivenUp)
        ):
            batch.left.add(event.mark.key)
            batch.blocked.add(topic)
            batch.error = error
            return
        self._refuse(event, error, batch)

    def _refuse(self, event: EmittedEvent, error: BaseException | None, batch: _Batch) -> None:
        self.refused += 1
        batch.refused.append(event.mark)
        why = error.message if isinstance(error, RealtimeError) else repr(error)
        self.log.error(
            "a transaction emitted an event that cannot be published: topic {topic}, event {event}:"
            " {why}",
            topic=repr(event.topic[:SHOWN]),
            event=repr(event.event[:SHOWN]),
            why=why,
        )


class _Batch:
    """
    Events that are being published.

    @ivar published: Those that were published.
    @ivar refused: The rows of those that cannot be published.
    @ivar left: The keys of those that cannot be published now.
    @ivar blocked: The topics of these.
    @ivar error: Why they cannot be published now.
    @ivar waiting: The topics whose events are not placed yet, and whether these are to be kept.
    @ivar placing: Each fires when one of them is placed, or is not.
    """

    def __init__(self) -> None:
        self.published: list[EmittedEvent] = []
        self.refused: list[EmittedMark] = []
        self.left: set[str] = set()
        self.blocked: set[str] = set()
        self.error: RealtimeError | None = None
        self.waiting: dict[str, bool] = {}
        self.placing: list[Deferred[None]] = []

    def takes(self, topic: str, event: EmittedEvent) -> bool:
        """
        Whether an event can be published now although others of its topic are not placed.
        """
        return self.waiting.get(topic, event.persist) == event.persist

    async def settled(self) -> None:
        """
        Wait until all are placed, or cannot be.
        """
        placing, self.placing = self.placing, []
        for placed in placing:
            await placed
        self.waiting.clear()
