"""
What the logs ask the server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from twisted.internet.defer import Deferred

from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import SharedEntry
from aerostack.engine.valkey.entries import decodeEntry, readPlace, writePlace
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.logscripts import ATTACH, HEADS, READ

NO_MARKS: Mapping[str, int] = MappingProxyType({})


class Questions:
    """
    What the logs ask the server.  Every answer fails with
    L{aerostack.engine.valkey.errors.ValkeyError}.
    """

    def __init__(self, link: Link, keys: Keys, life: Callable[[str], bytes], suffix: str) -> None:
        """
        @param life: Gives for how many milliseconds a topic's log lives.
        @param suffix: The end of the epochs that this run makes: at most 13 digits and small
            letters.
        """
        self._link = link
        self._keys = keys
        self._life = life
        self._suffix = suffix.encode()

    def compare(
        self,
        topics: Sequence[str],
        known: Sequence[Position | None],
        marks: Mapping[str, int] = NO_MARKS,
    ) -> Deferred[list[tuple[Position, str | None] | None]]:
        """
        Compare logs with what this node knows of them.  If the node knows more than the server, the
        server makes the log anew.

        @param known: The head that the node has of each topic.
        @param marks: Where logs begin that the server does not have.
        @return: For each topic, its head, and why it does not go on from the one that is known;
            L{None} for a topic that has no log.
        """
        keys: list[bytes] = []
        arguments = [self._suffix]
        for topic, place in zip(topics, known, strict=True):
            keys += (self._keys.metaOf(topic), self._keys.streamOf(topic))
            cold = b"%d" % marks[topic] if topic in marks else b""
            arguments += (self._keys.channelOf(topic), self._life(topic), *writePlace(place), cold)
        return self._link.run(ATTACH, keys, arguments).addCallback(_readComparisons)

    def heads(self, topics: Sequence[str]) -> Deferred[list[Position | None]]:
        """
        Give the heads of logs, and let the logs live on.

        @return: L{None} for a topic that has no log.
        """
        keys = [self._keys.metaOf(topic) for topic in topics]
        lives = [self._life(topic) for topic in topics]
        return self._link.run(HEADS, keys, lives).addCallback(_readHeads)

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        """
        Read entries; see L{aerostack.interfaces.engine.ILog.read}.

        @return: Fails also with L{aerostack.engine.valkey.entries.MalformedEntry}.
        """

        def decode(entries: list[bytes]) -> list[SharedEntry]:
            decoded = (decodeEntry(topic, entry) for entry in entries)
            return [entry for entry in decoded if isinstance(entry, SharedEntry)]

        last = b"+" if until is None else b"%d-0" % until
        bounds = [b"%d" % after, last, b"%d" % limit, b"%d" % size]
        return self._link.run(READ, [self._keys.streamOf(topic)], bounds).addCallback(decode)


def _readComparisons(answers: list[bytes]) -> list[tuple[Position, str | None] | None]:
    found: list[tuple[Position, str | None] | None] = []
    for answer in answers:
        state, *fields = answer.decode().split(" ")
        reason = None if state == "ok" else state
        found.append((readPlace(*fields), reason) if fields else None)
    return found


def _readHeads(answers: list[bytes]) -> list[Position | None]:
    return [readPlace(*answer.decode().split(" ")) if answer else None for answer in answers]
