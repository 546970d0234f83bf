"""
The values of keyed topics on the server that nodes share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.keyed.values import (
    REMOVED,
    Value,
    fullOfBytes,
    fullOfKeys,
    fullOfMemory,
    sizeOf,
    stale,
    topicSizeOf,
)
from aerostack.core.replay.publications import Publication
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.engine.valkey.entries import MalformedEntry, encodePublication
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.keyedentries import decodeValue, keyedArguments
from aerostack.engine.valkey.keyedscripts import (
    FIND,
    FULL,
    FULL_OF_BYTES,
    FULL_OF_KEYS,
    MERGE,
    PAGE,
    RELEASE,
    RESERVE,
    RUN_OUT,
    UNKEYED,
)
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.questions import Questions
from aerostack.engine.valkey.refusals import errorOf, unavailable
from aerostack.errors import RealtimeError
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.interfaces.messaging import IHistory

RESERVED = 15.0
"""For how many seconds a key is reserved for a publication that is being kept: longer than a node
waits for its database, unless that is very slow."""

ATTEMPTS = 5
"""How often the values are compared with the database for one question."""

ReadKept = Callable[[str], Deferred[list[Publication]]]
"""Reads the kept values of a canonical topic, the oldest first."""


@implementer(IKeyedValues)
class ValkeyValues:
    """
    The values of keyed topics.
    """

    def __init__(
        self,
        keys: Keys,
        history: IHistory,
        policyOf: Callable[[str], KeyedPolicy | None],
        readKept: ReadKept,
        memory: int,
    ) -> None:
        """
        @param policyOf: Gives what holds for the values of a canonical topic.
        @param memory: How many bytes the values of a project have at the most.
        """
        self._memory = memory
        self.policyOf = policyOf
        self._keys = keys
        self._history = history
        self._readKept = readKept

    def begin(self, link: Link, questions: Questions) -> None:
        """
        Use a link that is not started yet.
        """
        self._link = link
        self._questions = questions

    def keysOf(self, topic: str) -> list[bytes]:
        """
        What scripts get as the keys of a topic's values.
        """
        return self._keys.valuesOf(topic)

    def boundsOf(self, topic: str) -> tuple[bytes, ...]:
        """
        What scripts get as the bounds of a topic's values: how many keys and how many bytes of
        values the topic may have, how many bytes it counts beside them, and how many bytes the
        values of its project may have; L{UNKEYED} if it is not keyed.
        """
        policy = self.policyOf(topic)
        if policy is None:
            return UNKEYED
        numbers = (policy.keys, policy.size, topicSizeOf(topic), self._memory)
        return tuple(b"%d" % number for number in numbers)

    def full(self, topic: str, code: bytes) -> RealtimeError:
        """
        Make the error for a value for which there is no room.

        @param code: One of L{FULL}.
        """
        keys, size, _, memory = map(int, self.boundsOf(topic))
        if code == FULL_OF_KEYS:
            return fullOfKeys(keys)
        return fullOfBytes(size) if code == FULL_OF_BYTES else fullOfMemory(memory)

    def page(self, topic: str, after: int, limit: int, size: int) -> Deferred[list[Value]]:
        return Deferred.fromCoroutine(self._answer(self._page(topic, after, limit, size)))

    def reserve(self, publication: Publication, tag: str) -> Deferred[bool]:
        """
        Reserve the key of a publication that is about to be kept.

        @param tag: The tag that it will have in the log.
        @return: Fires with L{False} if another publication has the key now.  Fails with
            L{RealtimeError} C{stale} or C{state_full}, or C{engine_unavailable}.
        """
        return Deferred.fromCoroutine(self._answer(self._reserve(publication, tag)))

    def release(self, publication: Publication, tag: str) -> Deferred[Any]:
        """
        Take a reservation back, because the publication does not enter the log.
        """
        key = (publication.key or "").encode()
        info = self._keys.valuesOf(publication.topic)[2]
        released: Deferred[Any] = self._link.run(RELEASE, [info], [key, tag.encode()])
        # A reservation that cannot be taken back ends by itself.
        return released.addErrback(lambda failure: failure.trap(ValkeyError))

    def stale(self, publication: Publication) -> Deferred[RealtimeError]:
        """
        Make the error for a publication whose condition does not hold.
        """
        return Deferred.fromCoroutine(self._answer(self._stale(publication)))

    def prepare(self, topic: str) -> Deferred[None]:
        """
        See that a topic has a log, and that its values were compared with the database.

        @return: Fails with L{RealtimeError} or L{ValkeyError}.
        """
        return Deferred.fromCoroutine(self._prepare(topic))

    async def _answer(self, asked: Any) -> Any:
        try:
            return await asked
        except (ValkeyError, MalformedEntry) as error:
            raise errorOf(error) from error

    async def _page(self, topic: str, after: int, limit: int, size: int) -> list[Value]:
        arguments = [b"%d" % after, b"%d" % limit, b"%d" % size]
        for _ in range(ATTEMPTS):
            found = await self._link.run(PAGE, self._scripted(topic), arguments)
            if found is not None:
                pairs = zip(found[::2], found[1::2], strict=True)
                return [decodeValue(topic, key, entry) for key, entry in pairs]
            await self._prepare(topic)
        raise unavailable("The values of the topic cannot be read now.")

    async def _reserve(self, publication: Publication, tag: str) -> bool:
        topic = publication.topic
        arguments = [
            *keyedArguments(publication.key, publication.data, publication.condition),
            tag.encode(),
            b"%d" % (RESERVED * 1000),
            *self.boundsOf(topic),
        ]
        for _ in range(ATTEMPTS):
            answer = await self._link.run(RESERVE, self._scripted(topic), arguments)
            if answer == b"s":
                raise await self._stale(publication)
            if answer in FULL:
                raise self.full(topic, answer)
            if answer != b"l":
                return bool(answer == b"ok")
            await self._prepare(topic)
        raise unavailable("The values of the topic cannot be changed now.")

    async def _stale(self, publication: Publication) -> RealtimeError:
        topic, key = publication.topic, publication.key or ""
        values = self._keys.valuesOf(topic)[0]
        entry = await self._link.run(FIND, [values], [key.encode()])
        value = None if entry is None else decodeValue(topic, key.encode(), entry)
        return stale(key, value)

    async def _prepare(self, topic: str) -> None:
        [head] = await self._questions.heads([topic])
        if head is None:
            newest = await self._history.newest([topic])
            [compared] = await self._questions.compare([topic], [None], newest)
            if compared is None:
                raise unavailable("The topic has no log now.")
            head, _ = compared
        info = self._keys.valuesOf(topic)[2]
        runOut = await self._link.run(FIND, [info], [RUN_OUT]) or b"0"
        # What was kept before the log began is read; what is kept from now on waits for it.
        kept = await self._readKept(topic)
        arguments = [head.epoch.encode(), b"%d" % topicSizeOf(topic), runOut]
        for each in kept:
            key, size = each.key or "", sizeOf(each.key or "", each.data)
            if each.data != REMOVED:
                arguments += (key.encode(), b"%d" % (each.mark or 0), b"%d" % size)
                arguments.append(encodePublication(each))
        await self._link.run(MERGE, self._scripted(topic), arguments)

    def _scripted(self, topic: str) -> list[bytes]:
        return [self._keys.metaOf(topic), *self._keys.valuesOf(topic)]
