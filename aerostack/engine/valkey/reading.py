"""
Passes on the entries of topics that are followed, and reads those that were missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger

from aerostack.core.replay.following import Follower, Need
from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import SharedEntry
from aerostack.engine.valkey.entries import MalformedEntry
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.questions import Questions
from aerostack.engine.valkey.refusals import LOST
from aerostack.engine.valkey.topics import Followed

READING = 100
"""How many entries are read at once."""

READING_BYTES = 262_144
"""How many bytes of entries are read at once."""


class Topics(Protocol):
    """
    The topics that the node follows.
    """

    def isLive(self, followed: Followed) -> bool:
        """Whether entries of a topic can be taken."""

    def received(self, topic: str, entry: SharedEntry) -> None:
        """Pass an entry on."""

    def verify(self, topic: str) -> None:
        """Compare a topic's log again with what the node has of it."""

    def failed(self, topics: Iterable[Followed], error: Exception) -> None:
        """Try again later to attach topics."""


class Reading:
    """
    Passes entries on without a hole.
    """

    _logger = Logger()

    def __init__(self, questions: Questions, topics: Topics) -> None:
        self._questions = questions
        self._topics = topics

    def take(self, followed: Followed, got: SharedEntry | Position) -> None:
        """
        Take an entry, or the head of a log that was made anew.  L{goOn} comes next.
        """
        follower = followed.follower
        assert follower is not None
        if isinstance(got, Position):
            follower.compare(got)
        elif follower.take(got):
            self._topics.received(followed.name, got)

    def goOn(self, followed: Followed) -> None:
        """
        Do what the follower needs.
        """
        follower = followed.follower
        if follower is None or follower.need is Need.NOTHING or not self._topics.isLive(followed):
            return
        if follower.need is Need.VERIFY:
            self._topics.verify(followed.name)
        elif not followed.isReading:
            followed.isReading = True
            ensureDeferred(self._readOn(followed, follower)).addErrback(
                lambda failure: self._logger.failure("Reading entries failed", failure)
            )

    async def _readOn(self, followed: Followed, follower: Follower) -> None:
        """Read what was missed, page by page, until nothing is missing."""
        try:
            while follower.need is Need.READ and self._topics.isLive(followed):
                after = follower.head
                entries = await self._questions.read(
                    followed.name, after.offset or 0, None, READING, READING_BYTES
                )
                if follower.head.epoch != after.epoch:
                    # Meanwhile the follower has gone on in another log.
                    continue
                for entry in entries:
                    if self._topics.isLive(followed):
                        self.take(followed, entry)
                follower.ended(entries)
        except LOST:
            # The next connection attaches the topic again.
            return
        except (ValkeyError, MalformedEntry) as error:
            if self._topics.isLive(followed):
                followed.isLive = False
                self._topics.failed([followed], error)
        finally:
            followed.isReading = False
        self.goOn(followed)
