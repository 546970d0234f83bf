"""
The types of what the SDKs return: dictionaries with these fields.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class QueryMeta(TypedDict):
    """
    About a statement.
    """

    changes: int
    """How many rows it has written."""

    last_row_id: int | None
    """The id of the row that it has inserted last, on SQLite."""

    duration: float
    """How long it took, ms."""


class QueryResult(TypedDict):
    """
    What a statement gave.
    """

    results: list[dict[str, Any]]
    """The rows, by column."""

    success: bool
    meta: QueryMeta


class EmitResult(TypedDict):
    """
    What became of an event.
    """

    success: bool

    id: NotRequired[str]
    """The id of the kept message, with C{persist}."""

    created_at: NotRequired[int]
    """When it was kept, ms since the epoch."""


class EmittedResult(TypedDict):
    """
    What became of one of several events.
    """

    success: bool

    id: NotRequired[str]
    """The id of the kept message, with C{persist}."""

    created_at: NotRequired[int]
    """When it was kept, ms since the epoch."""

    error: NotRequired[str]
    """The code of the error, if it was refused."""

    message: NotRequired[str]
    """What was wrong."""

    retryAfter: NotRequired[int]
    """Milliseconds after which another attempt may succeed."""


class EmitAllResult(TypedDict):
    """
    What became of several events.
    """

    success: bool
    """Whether all were sent."""

    results: list[EmittedResult]
    """One for each event, in their order."""


class RemovalResult(TypedDict):
    """
    What became of a user's connections.
    """

    success: bool

    connections: int
    """How many were closed."""

    nodes: dict[str, int]
    """How many of them on each node."""

    unconfirmed: list[str]
    """The nodes that did not confirm."""

    until: NotRequired[int]
    """When the revocation ends, ms since the epoch."""


class Message(TypedDict):
    """
    A message of the history.
    """

    id: str
    room_id: str
    """The topic, with its project."""

    user_id: str | None
    event: str
    data: Any

    created_at: int
    """When it was kept, ms since the epoch."""

    stream: NotRequired[str]
    """The token stream whose end this is."""

    state: NotRequired[str]
    """How that stream has ended."""

    key: NotRequired[str]
    """The key, on a keyed topic."""

    replaces: NotRequired[int]
    """The C{created_at} up to which it replaces the messages of the topic."""


class HealthResult(TypedDict):
    """
    The health of the daemon.
    """

    status: str
    """C{ok} or C{failing}."""

    checks: dict[str, str]
    """The status of each part: C{ok}, or a sentence that says what is wrong."""

    notices: NotRequired[dict[str, str]]
    """What to look at although nothing fails, a sentence for each part."""

    nodes: NotRequired[dict[str, str]]
    """How each node is, if there are several."""


class ExplainResult(TypedDict):
    """
    Whether publications reach a user, and why not.
    """

    topic: str
    """The topic, with its project."""

    user: str
    verdict: str
    """The answer, in a sentence."""

    findings: list[dict[str, Any]]
    """Each has a C{code}, a C{severity} and a C{message}."""

    connections: list[dict[str, Any]]
    """The user's connections."""

    ended: list[dict[str, Any]]
    """Those of the last connections that have ended."""

    stream: Any
    """What is known of the topic's log."""

    feed: Any
    """What is known of the changes of tables."""

    missing: NotRequired[list[str]]
    """The parts of the daemon that did not answer."""
