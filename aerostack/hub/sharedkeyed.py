"""
Decides which publications on keyed topics are accepted, where nodes share their topics: the engine
has the values, and decides.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from aerostack.core.keyed.values import Condition, Unplaced, Value, sizeOf
from aerostack.core.replay.publications import Publication, Receipt
from aerostack.core.replay.tags import keptTag
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.errors import RealtimeError
from aerostack.hub.keyed import PIECE, Place, overloaded

T = TypeVar("T", bound=Receipt | Failure | None)

PAUSE = 0.02
"""Seconds until the gate asks again for a key that another publication has reserved."""

PATIENCE = 20.0
"""For how many seconds at the most the gate asks for such a key."""

PAGE_BYTES = 65_536
"""How many bytes of values are read at once to find those whose time is over."""


class SharedGate:
    """
    Lets publications on keyed topics through.

    The script that puts a publication into the log decides about its condition.  One that is to be
    kept is committed before, so it reserves its key first; it and everything behind it on the topic
    wait for that.  It reserves its key only when all publications before it on the topic have their
    places.  Otherwise one of these could wait for the key, and the publication that has reserved
    the key would wait behind it.

    @ivar maxWaiting: How many publications of one topic may wait.
    @ivar maxBytes: How many bytes all that wait may have.
    @ivar maxLooked: On how many topics this node looks for values whose time is over.
    """

    maxWaiting = 10_000
    maxBytes = 8_388_608
    maxLooked = 10_000

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        values: Any,
        policyOf: Callable[[str], KeyedPolicy | None],
        newId: Callable[[], str],
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param values: See L{aerostack.engine.valkey.keyed.ValkeyValues}.
        @param policyOf: Gives what holds for the values of a canonical topic.
        @param newId: Makes the id of a message; each call gives another.
        """
        self._clock = clock
        self._now = now
        self._values = values
        self._policyOf = policyOf
        self._newId = newId
        self._queues: dict[str, deque[_Waiting]] = {}
        # By topic, how many publications that are not to be kept have no place yet, and what waits
        # until they have.
        self._placing: Counter[str] = Counter()
        self._whenPlaced: dict[str, Deferred[None]] = {}
        self._held = 0
        # For each topic whose values end: the time, ms, from which on one of them may be over.
        # None while the engine is asked for that time, if nothing was published since.
        self._looks: OrderedDict[str, int | None] = OrderedDict()
        self._asked: set[str] = set()
        self._over: list[tuple[str, Value]] = []

    def __contains__(self, topic: str) -> bool:
        """Whether publications of a topic wait here."""
        return topic in self._queues

    def enter(
        self,
        publication: Publication,
        persist: bool,
        condition: Condition | None,
        place: Place,
        messageId: str | None = None,
    ) -> Deferred[Receipt | None] | None:
        """
        See L{aerostack.hub.keyed.KeyedGate.enter}.
        """
        topic = publication.topic
        self._watch(topic)
        waiting = _Waiting(publication, persist, place, messageId)
        queue = self._queues.get(topic)
        if queue is None and not persist:
            return self._place(waiting)
        if len(queue or ()) >= self.maxWaiting or self._held + waiting.size > self.maxBytes:
            return fail(overloaded())
        self._held += waiting.size
        if queue is not None:
            queue.append(waiting)
        else:
            queue = self._queues[topic] = deque([waiting])
            Deferred.fromCoroutine(self._run(topic, queue)).addErrback(waiting.fail)
        return waiting.done

    def _place(self, waiting: _Waiting) -> Deferred[Receipt | None] | None:
        """Give a publication that is not to be kept its place."""
        topic = waiting.publication.topic
        placed = self._watched(topic, waiting.place(None))
        if placed is None:
            return None
        self._placing[topic] += 1
        return placed.addBoth(self._hasPlace, topic).addErrback(self._unplaced, waiting)

    def _hasPlace(self, result: T, topic: str) -> T:
        self._placing[topic] -= 1
        if not self._placing[topic]:
            del self._placing[topic]
            waiting = self._whenPlaced.pop(topic, None)
            if waiting is not None:
                waiting.callback(None)
        return result

    def _unplaced(self, failure: Failure, waiting: _Waiting) -> Any:
        failure.trap(Unplaced)
        publication, reason = waiting.publication, failure.value
        if isinstance(reason, Unplaced) and reason.isStale:
            return self._values.stale(publication).addCallback(Failure)
        # After a restart no older value may come back.
        return self.enter(
            publication, True, publication.condition, waiting.place, waiting.messageId
        )

    async def _run(self, topic: str, queue: deque[_Waiting]) -> None:
        """Let those that wait go on, in their order."""
        while queue:
            waiting = queue[0]
            try:
                entered = await self._begin(waiting)
            except Exception:
                # The publications behind it go on all the same.
                entered = fail(Failure())
            queue.popleft()
            self._held -= waiting.size
            if not queue:
                del self._queues[topic]
            if entered is None:
                waiting.done.callback(None)
            else:
                entered.chainDeferred(waiting.done)

    async def _begin(self, waiting: _Waiting) -> Deferred[Receipt | None] | None:
        if not waiting.persist:
            return self._place(waiting)
        publication, messageId = waiting.publication, waiting.messageId or self._newId()
        tag = keptTag(publication.topic, messageId)
        if publication.topic in self._placing:
            # What comes meanwhile waits behind this one.
            placing = self._whenPlaced[publication.topic] = Deferred()
            await placing
        deadline = self._clock.seconds() + PATIENCE
        while not await self._values.reserve(publication, tag):
            if self._clock.seconds() >= deadline:
                raise RealtimeError(
                    "overloaded", f"Too much is published on the key {publication.key}.", 1000
                )
            await deferLater(self._clock, PAUSE)
        placed = self._watched(publication.topic, waiting.place(messageId))
        if placed is None:
            return None

        def settled(result: T) -> T:
            # The server ends the reservation only when the publication enters the log.  One that
            # came again under its id, or was kept under another id, does not enter.
            isNew = isinstance(result, Receipt) and result.id == messageId
            if not isNew or waiting.messageId is not None:
                self._values.release(publication, tag)
            return result

        return placed.addBoth(settled)

    # Time

    def _watch(self, topic: str) -> None:
        policy = self._policyOf(topic)
        if policy is None or policy.ttl is None:
            return
        if self._looks.get(topic) is None:
            self._looks[topic] = 0
        self._looks.move_to_end(topic)
        if len(self._looks) > self.maxLooked:
            self._looks.popitem(last=False)

    def _watched(
        self, topic: str, placed: Deferred[Receipt | None] | None
    ) -> Deferred[Receipt | None] | None:
        """
        Watch a topic once a publication has its place.  An earlier look would find no value, and no
        other look would follow: the database may take seconds until the publication has its place.
        """

        def watch(receipt: Receipt | None) -> Receipt | None:
            self._watch(topic)
            return receipt

        return None if placed is None else placed.addCallback(watch)

    def due(self, now: float) -> Iterator[list[tuple[str, Value]]]:
        """
        See L{aerostack.hub.keyed.KeyedGate.due}.  What is found now is given at the next call.
        """
        over, self._over = self._over, []
        for start in range(0, len(over), PIECE):
            yield over[start : start + PIECE]
        wall = self._now()
        for topic, at in tuple(self._looks.items()):
            policy = self._policyOf(topic)
            if policy is None or policy.ttl is None or at is None or at > wall:
                continue
            if topic in self._asked:
                continue
            self._looks[topic] = None
            self._asked.add(topic)
            looked: Deferred[Any] = self._values.page(topic, 0, PIECE, PAGE_BYTES)
            looked.addCallbacks(
                self._looked, self._unread, (topic, policy.ttl), errbackArgs=(topic,)
            )
            yield []

    def _looked(self, found: list[Value], topic: str, ttl: float) -> None:
        self._asked.discard(topic)
        wall, life = self._now(), int(1000 * ttl)
        over = [value for value in found if value.timestamp + life <= wall]
        self._over += [(topic, value) for value in over]
        if self._looks.get(topic, 0) is not None:
            # This answer may lack what was published since the question.
            return
        if not found:
            del self._looks[topic]
        else:
            self._looks[topic] = wall if over else min(each.timestamp for each in found) + life

    def _unread(self, failure: Failure, topic: str) -> None:
        self._asked.discard(topic)
        failure.trap(RealtimeError)
        if topic in self._looks:
            # The next look tries again.
            self._looks[topic] = 0


class _Waiting:
    """A publication that waits."""

    __slots__ = ("done", "messageId", "persist", "place", "publication", "size")

    def __init__(
        self, publication: Publication, persist: bool, place: Place, messageId: str | None
    ) -> None:
        self.publication = publication
        self.persist = persist
        self.place = place
        self.messageId = messageId
        self.size = sizeOf(publication.key or "", publication.data)
        self.done: Deferred[Receipt | None] = Deferred()

    def fail(self, failure: Failure) -> None:
        """
        Fail, because of a mistake of ours.
        """
        if not self.done.called:
            self.done.errback(failure)
