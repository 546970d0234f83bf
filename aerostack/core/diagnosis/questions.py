"""
What the console asks of every process of the daemon.
"""

from __future__ import annotations

from msgspec import Struct, json

HUB = "hub"
"""The name of the process that has the node, where other processes serve the clients."""


class AskWork(Struct, frozen=True, tag="work"):
    """
    Ask how much a process does.

    @ivar since: Only samples that ended after this time, milliseconds since the epoch by the
        asker's clock.  The answer's times are by that clock, too.
    @ivar now: The time by the asker's clock.
    """

    project: str
    since: int
    now: int


class AskConnections(Struct, frozen=True, tag="connections"):
    """
    Ask for a page of the connections; see L{aerostack.admin.directory.Directory.connections}.

    @ivar topic: The canonical topic.
    """

    project: str
    userId: str | None
    topic: str | None
    limit: int
    after: str


class AskTopics(Struct, frozen=True, tag="topics"):
    """
    Ask for a page of the topics; see L{aerostack.admin.directory.Directory.topics}.
    """

    project: str
    prefix: str
    limit: int
    after: str


class AskTopic(Struct, frozen=True, tag="topic"):
    """
    Ask for one topic with its subscribers and members.

    @ivar topic: The canonical topic.
    """

    topic: str


class AskStreams(Struct, frozen=True, tag="streams"):
    """
    Ask for the token streams that run; see L{aerostack.admin.streams.StreamDirectory.list}.
    """

    project: str


class AskRefusals(Struct, frozen=True, tag="refusals"):
    """
    Ask which requests were refused; see L{aerostack.admin.refusals.Refusals.list}.
    """

    project: str


class AskEvidence(Struct, frozen=True, tag="evidence"):
    """
    Ask what is known of a user and a topic.  The answer is
    L{aerostack.core.diagnosis.evidence.Evidence}; the answers to the others are JSON objects.

    @ivar topic: The canonical topic.
    """

    userId: str
    topic: str


Question = AskWork | AskConnections | AskTopics | AskTopic | AskStreams | AskRefusals | AskEvidence

LISTS: dict[type[Question], tuple[str, ...]] = {
    AskWork: ("samples",),
    AskConnections: ("connections",),
    AskTopics: ("topics",),
    AskTopic: ("members", "subscriptions"),
    AskStreams: ("streams",),
    AskRefusals: ("refusals",),
    AskEvidence: ("links", "ended"),
}
"""The fields of each answer that are left out in part if the answer is too large."""

_decoder = json.Decoder(Question)


def encodeQuestion(question: Question) -> bytes:
    """
    Make bytes of a question.
    """
    return json.encode(question)


def decodeQuestion(data: bytes) -> Question:
    """
    Read the bytes of L{encodeQuestion}.

    @raise msgspec.ValidationError: They are no question.
    """
    found: Question = _decoder.decode(data)
    return found
