"""
Decides which publications on keyed topics are accepted, in the order of each topic, and ends values
whose time is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.keyed.states import KeyedStates
from aerostack.core.keyed.values import (
    REMOVED,
    Condition,
    Value,
    fullOfBytes,
    fullOfKeys,
    fullOfMemory,
    sizeOf,
    stale,
    topicSizeOf,
)
from aerostack.core.replay.publications import Publication, Receipt
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.keyed import IKeyedValues

Place = Callable[[str | None], Deferred[Receipt | None] | None]
"""Gives a publication its place in the topic's order; it takes the id under which to keep it,
L{None} not to keep it."""


class Gate(Protocol):
    """
    Decides which publications on keyed topics are accepted.
    """

    def __contains__(self, topic: str) -> bool:
        """Whether publications of a topic wait here."""

    def enter(
        self,
        publication: Publication,
        persist: bool,
        condition: Condition | None,
        place: Place,
        messageId: str | None = None,
    ) -> Deferred[Receipt | None] | None:
        """See L{KeyedGate.enter}."""

    def due(self, now: float) -> Iterator[list[tuple[str, Value]]]:
        """See L{KeyedGate.due}."""


PIECE = 100
"""How many values end in one step at the most."""

LOOKED = 1000
"""On how many topics the daemon looks for such values in one step."""


def overloaded() -> RealtimeError:
    """
    Make the error for a publication for which a gate has no room while others wait.
    """
    return RealtimeError("overloaded", "Too much waits for the values of this topic.", 1000)


class KeyedGate:
    """
    Lets publications on keyed topics through.

    A condition is about the value that a key has when the publication has its place.  Publications
    that are being kept do not have theirs yet.  So one with a condition waits for those on the same
    key, and everything behind it on the topic waits with it.

    @ivar states: The values.
    @ivar maxMemory: How many bytes the values of a project have at the most.
    @ivar maxWaiting: How many publications of one topic may wait for a condition.
    @ivar maxBytes: How many bytes all that wait may have.
    """

    maxWaiting = 1000
    maxBytes = 8_388_608

    def __init__(
        self,
        states: KeyedStates,
        policyOf: Callable[[str], KeyedPolicy | None],
        maxMemory: int,
        newId: Callable[[], str],
    ) -> None:
        """
        @param policyOf: Gives what holds for the values of a canonical topic.
        @param newId: Makes the id of a message; each call gives another.
        """
        self._newId = newId
        self.states = states
        self.maxMemory = maxMemory
        self._policyOf = policyOf
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._held = 0
        self._placing: dict[str, _Placing] = {}

    def __contains__(self, topic: str) -> bool:
        """Whether publications of a topic wait here."""
        return topic in self._waiting

    def enter(
        self,
        publication: Publication,
        persist: bool,
        condition: Condition | None,
        place: Place,
        messageId: str | None = None,
    ) -> Deferred[Receipt | None] | None:
        """
        Let a publication through, at once or when it is known whether its condition holds.

        @param publication: It has a key.
        @param persist: Whether its publisher wants it to be kept.
        @param messageId: The id under which it is kept; L{None} for a new one.
        @return: What C{place} returns.  Fails with L{RealtimeError} C{stale}, C{state_full} or
            C{overloaded}; then nothing is published.
        """
        waiting = _Waiting(publication, persist, condition, place, messageId)
        topic = publication.topic
        queue = self._waiting.get(topic)
        if queue is None and not self._mustWait(waiting):
            return self._go(waiting)
        size = sizeOf(waiting.key, publication.data)
        if len(queue or ()) >= self.maxWaiting or self._held + size > self.maxBytes:
            return fail(overloaded())
        self._held += size
        # While a topic has a queue, what comes waits in it: an empty one would never go on.
        self._waiting.setdefault(topic, deque()).append(waiting)
        return waiting.done

    def _mustWait(self, waiting: _Waiting) -> bool:
        placing = self._placing.get(waiting.publication.topic)
        return waiting.condition is not None and placing is not None and waiting.key in placing.keys

    def _go(self, waiting: _Waiting) -> Deferred[Receipt | None] | None:
        """Decide about a publication, and give it its place if it is accepted."""
        publication, key = waiting.publication, waiting.key
        topic = publication.topic
        value = self.states.find(topic, key)
        if waiting.condition is not None and not waiting.condition.holds(value):
            return fail(stale(key, value))
        placing = self._placing.get(topic)
        if publication.data != REMOVED:
            refusal = self._refusal(publication, key, value, placing)
            if refusal is not None:
                return fail(refusal)
        # After a restart no older value may come back.
        isKept = value is not None and value.kept
        persist = waiting.persist or isKept or (placing is not None and key in placing.kept)
        entered = waiting.place((waiting.messageId or self._newId()) if persist else None)
        if entered is None:
            return None
        placing = self._placing.setdefault(topic, _Placing())
        placing.add(publication, persist)
        return entered.addBoth(self._placed, publication, placing, persist)

    def _refusal(
        self, publication: Publication, key: str, value: Value | None, placing: _Placing | None
    ) -> RealtimeError | None:
        """Look whether there is room for one more value."""
        topic = publication.topic
        policy, state = self._policyOf(topic), self.states.get(topic)
        assert policy is not None
        coming = 0 if placing is None else placing.size
        size = sizeOf(key, publication.data) - (0 if value is None else value.size)
        count = 0 if state is None else len(state.values)
        if placing is not None and state is not None:
            count += sum(each not in state.values for each in placing.keys)
        elif placing is not None:
            count += len(placing.keys)
        isNew = value is None and (placing is None or key not in placing.keys)
        if isNew and count >= policy.keys:
            return fullOfKeys(policy.keys)
        if size > 0 and (0 if state is None else state.size) + coming + size > policy.size:
            return fullOfBytes(policy.size)
        more = coming + size + (topicSizeOf(topic) if state is None else 0)
        if size > 0 and self.states.sizes[projectOf(topic)] + more > self.maxMemory:
            return fullOfMemory(self.maxMemory)
        return None

    def _placed(
        self,
        result: Receipt | Failure | None,
        publication: Publication,
        placing: _Placing,
        persist: bool,
    ) -> Receipt | Failure | None:
        topic = publication.topic
        placing.remove(publication, persist)
        if not placing.keys:
            del self._placing[topic]
        self._flush(topic)
        return result

    def _flush(self, topic: str) -> None:
        """Go on with what waited, from the front."""
        queue = self._waiting.get(topic)
        while queue and not self._mustWait(queue[0]):
            waiting = queue.popleft()
            self._held -= sizeOf(waiting.key, waiting.publication.data)
            if not queue:
                del self._waiting[topic]
            try:
                entered = self._go(waiting)
            except Exception:
                # The publications behind it go on all the same.
                waiting.done.errback(Failure())
                continue
            if entered is None:
                waiting.done.callback(None)
            else:
                entered.chainDeferred(waiting.done)

    # Time

    def due(self, now: float) -> Iterator[list[tuple[str, Value]]]:
        """
        Find the values whose time is over, a piece at a time.

        @param now: Seconds of the clock.
        @return: Topics and values.  Before the next piece is asked for, these are removed.
        """
        for number, topic in enumerate(self.states.topics(), 1):
            if not number % LOOKED:
                yield []
            policy, state = self._policyOf(topic), self.states.get(topic)
            if policy is None or policy.ttl is None or state is None:
                continue
            placing = self._placing.get(topic)
            # Those that are being changed do not end now.
            busy = () if placing is None else placing.keys
            found = state.due(now - policy.ttl, PIECE + len(busy))
            yield [(topic, value) for value in found if value.key not in busy]


@implementer(IKeyedValues)
class LocalValues:
    """
    Reads the values that are in this process.
    """

    def __init__(self, states: KeyedStates) -> None:
        self._states = states

    def page(self, topic: str, after: int, limit: int, size: int) -> Deferred[list[Value]]:
        state = self._states.get(topic)
        return succeed([] if state is None else state.page(after, limit, size))


class _Waiting:
    """A publication that waits until it is known whether its condition holds."""

    __slots__ = ("condition", "done", "key", "messageId", "persist", "place", "publication")

    def __init__(
        self,
        publication: Publication,
        persist: bool,
        condition: Condition | None,
        place: Place,
        messageId: str | None,
    ) -> None:
        assert publication.key is not None
        self.publication = publication
        self.key = publication.key
        self.persist = persist
        self.condition = condition
        self.place = place
        self.messageId = messageId
        self.done: Deferred[Receipt | None] = Deferred()


class _Placing:
    """
    The publications of one topic that do not have their places yet.

    @ivar keys: How many there are of each key.
    @ivar kept: How many of each key are to be kept.
    @ivar size: How many bytes the values that they bring have.
    """

    __slots__ = ("kept", "keys", "size")

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.size = 0

    def add(self, publication: Publication, persist: bool) -> None:
        """Note one more."""
        self._count(publication, persist, 1)

    def remove(self, publication: Publication, persist: bool) -> None:
        """Note one less."""
        self._count(publication, persist, -1)

    def _count(self, publication: Publication, persist: bool, number: int) -> None:
        assert publication.key is not None
        self.size += number * sizeOf(publication.key, publication.data)
        for counts in (self.keys, self.kept) if persist else (self.keys,):
            count = counts.get(publication.key, 0) + number
            if count:
                counts[publication.key] = count
            else:
                del counts[publication.key]
