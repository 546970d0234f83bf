"""
Lists the topics that a process knows, for an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred

from aerostack.admin.pieces import Pieces
from aerostack.core.diagnosis.paging import Page
from aerostack.core.presence import Member
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.topics.topics import topicOf
from aerostack.interfaces.roster import IMembers

Shown = dict[str, Any]
"""A JSON object."""

MOST = 100
"""How many subscriptions and members of one topic are shown."""


class Followed(Protocol):
    """
    The canonical topics that a process brings to subscribers.
    """

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, topic: str, /) -> bool: ...


class TopicDirectory:
    """
    Reads the topics that have a subscriber, a member or a log in this process.
    """

    def __init__(
        self,
        pieces: Pieces,
        followed: Followed,
        logs: TopicLogs,
        members: IMembers,
        subscribers: Callable[[str], int],
    ) -> None:
        """
        @param subscribers: Gives the number of subscribers of a canonical topic.
        """
        self._pieces = pieces
        self._followed = followed
        self._logs = logs
        self._members = members
        self._subscribers = subscribers

    def list(self, project: str, prefix: str, limit: int, after: str) -> Deferred[Shown]:
        """
        List topics, by name.

        @param prefix: The beginning of the canonical names.
        @param after: Lists only topics after this name; empty for the first page.
        """
        page = Page(limit, after)
        ending = f"/{project}"
        followed, logs = self._followed, self._logs.topics()

        def look(topics: Sequence[str]) -> None:
            page.add([t for t in topics if t.endswith(ending) and t.startswith(prefix)])

        def lookBeside(topics: Sequence[str]) -> None:
            look([t for t in topics if t not in followed])

        def lookElsewhere(topics: Sequence[str]) -> None:
            lookBeside([t for t in topics if t not in logs])

        def shown(_: object) -> Shown:
            topics = [self.row(name) for name in page.names]
            return {"topics": topics, "total": page.total, "more": page.more}

        return self._pieces.look(
            (tuple(followed), look),
            (tuple(logs), lookBeside),
            (tuple(self._members.topics()), lookElsewhere),
        ).addCallback(shown)

    def row(self, canonical: str) -> Shown:
        """
        Show a topic as an entry of the list.
        """
        log = self._logs.get(canonical)
        return {
            "topic": canonical,
            "table": topicOf(canonical).table,
            "subscribers": self._subscribers(canonical),
            "present": self._members.count(canonical),
            "published": None if log is None else log.head,
            "held": 0 if log is None else len(log),
            "bytes": 0 if log is None else log.size,
            "pos": None if log is None else str(log.position),
        }

    def topic(self, canonical: str, subscriptions: Collection[Shown]) -> Shown:
        """
        Show one topic with its members.

        @param subscriptions: The subscriptions that are shown.
        """
        return {
            **self.row(canonical),
            "members": [
                _member(member) for member in islice(self._members.members(canonical), MOST)
            ],
            "membersTotal": self._members.count(canonical),
            "subscriptions": subscriptions,
        }


def _member(member: Member) -> Shown:
    return {
        "userId": member.userId,
        "connectionId": member.connectionId,
        "state": Raw(member.state),
    }
