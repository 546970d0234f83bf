"""
What several processes know about a user and a topic, put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aerostack.core.diagnosis.facts import Feed, Link, Log
from aerostack.core.diagnosis.traces import Ended


@dataclass(frozen=True)
class Evidence:
    """
    What one process knows.

    @ivar links: The user's connections, each with a sentence about what it may read of the topic.
    @ivar ended: The user's ended connections, newest first.
    @ivar log: The topic's log; L{None} if the process has none.
    @ivar stream: What an operator sees of the log.
    @ivar feed: The change feed; L{None} if the topic is not a table's.
    @ivar tables: What an operator sees of the change feed.
    @ivar namesake: A connected user with nearly the same name, if the user is not connected.
    """

    links: Sequence[tuple[Link, str | None]] = ()
    ended: Sequence[Ended] = ()
    log: Log | None = None
    stream: dict[str, Any] | None = None
    feed: Feed | None = None
    tables: dict[str, Any] | None = None
    namesake: str | None = None


def joinEvidence(evidence: Iterable[Evidence], most: int) -> Evidence:
    """
    Put the knowledge of several processes together.

    @param most: How many open and how many ended connections are kept.
    """
    found = list(evidence)
    links = sorted((pair for each in found for pair in each.links), key=lambda p: p[0].opened)
    ended = sorted((e for each in found for e in each.ended), key=lambda e: e.at, reverse=True)
    # Each process has the same log of a topic, but perhaps from a later beginning.
    best = max(found, key=lambda each: -1 if each.log is None else each.log.published, default=None)
    tables = [each.tables for each in found if each.tables is not None]
    namesakes = [each.namesake for each in found if each.namesake is not None]
    return Evidence(
        links[:most],
        ended[:most],
        None if best is None else best.log,
        None if best is None else best.stream,
        _joinFeeds([each.feed for each in found if each.feed is not None]),
        joinTables(tables) if tables else None,
        namesakes[0] if namesakes and not links else None,
    )


def _joinFeeds(feeds: Sequence[Feed]) -> Feed | None:
    if not feeds:
        return None
    return Feed(
        feeds[0].table,
        feeds[0].allowed,
        any(feed.watched for feed in feeds),
        next((feed.trouble for feed in feeds if feed.trouble is not None), None),
        max(feed.lag for feed in feeds),
        next((feed.transaction for feed in feeds if feed.transaction is not None), None),
    )


def joinTables(tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    Put together what an operator sees of the change feed; of one process at least.
    """
    waiting = [each["waiting"] for each in tables if each["waiting"] is not None]
    return {
        "up": all(each["up"] for each in tables),
        "lag": max(each["lag"] for each in tables),
        "position": max(each["position"] for each in tables),
        "tables": sorted({name for each in tables for name in each["tables"]}),
        "waiting": max(waiting, key=lambda each: each["age"], default=None),
    }
