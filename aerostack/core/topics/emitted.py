"""
The events that transactions of the database emit, as they come from the database.

The database refuses most mistakes already, in the statement that makes them.  It does not know all
characters that a topic cannot hold, and what it has may be older than the configuration.  So the
daemon checks every event again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from aerostack.core.replay.publications import EmittedMark
from aerostack.core.topics.topics import Topic, checkEvent, parseTopic
from aerostack.errors import RealtimeError

STREAM_EVENTS = "ai:"
"""The beginning of the names of the events of token streams."""

NAMED = 3
"""How many projects an error names at most."""


@dataclass(frozen=True)
class EmitRules:
    """
    What an event may be.

    @ivar projects: The ids of all projects.
    @ivar topicLength: How many characters a topic may have, with its project.
    @ivar eventLength: How many characters an event's name may have.
    @ivar dataBytes: How many bytes of JSON an event's data may have.
    """

    projects: Sequence[str]
    topicLength: int
    eventLength: int
    dataBytes: int

    @property
    def endings(self) -> str:
        """How a topic may end, for messages, where there are several projects."""
        named = " or ".join(f"/{project}" for project in self.projects[:NAMED])
        return named if len(self.projects) <= NAMED else f"{named} or another project"


class EmittedEvent(Struct, frozen=True, gc=False):
    """
    An event that a committed transaction emitted.

    @ivar mark: Its row.
    @ivar topic: The topic as the transaction wrote it.
    @ivar event: The event's name.
    @ivar data: The event's data, as JSON.
    @ivar persist: Whether to keep it in the history.
    @ivar key: On a keyed topic, the key whose value the data become.
    """

    mark: EmittedMark
    topic: str
    event: str
    data: str
    persist: bool
    key: str | None = None


def checkEmitted(emitted: EmittedEvent, rules: EmitRules) -> Topic:
    """
    Check an event, all but whether its data is JSON.

    @return: Its topic.
    @raise RealtimeError: The event cannot be published; the message says why.
    """
    topic = parseTopic(
        emitted.topic, _projectOf(emitted.topic, rules), rules.projects, rules.topicLength
    )
    checkEvent(emitted.event, rules.eventLength)
    if emitted.event.startswith(STREAM_EVENTS):
        raise RealtimeError(
            "invalid_event", f"Events that begin with {STREAM_EVENTS} belong to token streams."
        )
    if emitted.persist and topic.table is not None:
        raise RealtimeError(
            "invalid_arguments", "A table's topic keeps no messages; leave out persist."
        )
    if len(emitted.data.encode()) > rules.dataBytes:
        raise RealtimeError("too_large", f"An event's data has at most {rules.dataBytes} bytes.")
    return topic


def _projectOf(topic: str, rules: EmitRules) -> str:
    """The project that a topic belongs to."""
    if len(rules.projects) == 1:
        return rules.projects[0]
    path, _, project = topic.rpartition("/")
    if not path or project not in rules.projects:
        raise RealtimeError(
            "invalid_topic",
            f"There are several projects, so a topic has to end in its own: {rules.endings}.",
        )
    return project
