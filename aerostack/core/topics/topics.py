"""
Topics: the names that clients use, and the one canonical name that each topic has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

from aerostack.errors import RealtimeError

TABLE = "table"

# In other languages these characters end strings or statements, or are wildcards or tags.  No
# honest application needs them in a topic, and logs and shells are safer without them.
_REFUSED = frozenset("\"'`\\;<>*#?")

# Control, surrogate, private, unassigned; line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Topic:
    """
    A topic by its one name.

    @ivar path: The topic within its project, such as C{chat/general}.
    @ivar project: The project's id.
    @ivar canonical: The name that every frame carries: path and project.
    @ivar table: The table whose changes this topic carries; L{None} if it is no table's.
    """

    path: str
    project: str
    canonical: str = field(init=False, repr=False, compare=False)
    table: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind, _, name = self.path.partition("/")
        object.__setattr__(self, "canonical", f"{self.path}/{self.project}")
        object.__setattr__(self, "table", name if kind == TABLE and name else None)


def tableTopic(table: str, project: str) -> Topic:
    """
    The topic that carries a table's changes.
    """
    return Topic(f"{TABLE}/{table}", project)


def topicOf(canonical: str) -> Topic:
    """
    The topic that has a canonical name.
    """
    return _splitOften(canonical) if len(canonical) <= SHORT else _split(canonical)


def _split(canonical: str) -> Topic:
    path, _, project = canonical.rpartition("/")
    return Topic(path, project)


def projectOf(canonical: str) -> str:
    """
    The project of a canonical topic.
    """
    return canonical.rpartition("/")[2]


def parseTopic(text: str, project: str, projects: Collection[str], maxLength: int) -> Topic:
    """
    Read a topic in any of the forms that a client may use.

    @param text: C{orders}, C{table/orders}, C{chat/general}, or any of these with
        C{/project} behind it.
    @param project: The project that the client belongs to.
    @param projects: The ids of all projects, to tell another project's topic.
    @param maxLength: How many characters the topic may have, with its project.
    @raise RealtimeError: C{invalid_topic} or C{wrong_project}.
    """
    if not text:
        raise RealtimeError("invalid_topic", "A topic cannot be empty.")
    topic = _named(text, project) if len(text) <= SHORT else _name(text, project)
    length = len(topic.canonical)
    if length > maxLength:
        raise RealtimeError(
            "invalid_topic",
            f"A topic has at most {maxLength} characters with its project; this one {length}.",
        )
    path = topic.path
    # A topic that ends in the client's project, or has no slash, is not another project's.
    if path == text and (last := path.rpartition("/")[2]) in projects:
        raise RealtimeError(
            "wrong_project",
            f"That topic belongs to the project {last}, this connection to {project}.",
        )
    if len(text) <= SHORT:
        _checkOften(path)
    else:
        _checkPath(path)
    return topic


def _name(text: str, project: str) -> Topic:
    """The topic for which a name stands in a project; nothing is checked."""
    path = text.removesuffix(f"/{project}")
    if path == text and "/" not in text:
        path = f"{TABLE}/{text}"
    return Topic(path, project)


def _checkPath(path: str) -> None:
    segments = path.split("/")
    if segments[0] == TABLE:
        if len(segments) != 2:
            raise RealtimeError("invalid_topic", "A table's topic is table/ and the table's name.")
        _checkTableName(segments[1])
    else:
        for segment in segments:
            _checkSegment(segment)


SHORT = 128
"""How many characters a topic's name may have to be remembered."""

# Clients name the same topics over and over, and making and checking a topic takes longer than all
# else that is done with its name.  What is remembered is short, which bounds the bytes too.
_named = lru_cache(maxsize=4096)(_name)
_splitOften = lru_cache(maxsize=4096)(_split)
_checkOften = lru_cache(maxsize=4096)(_checkPath)


def _checkSegment(segment: str) -> None:
    if not segment:
        raise RealtimeError("invalid_topic", "A topic has no empty part between its slashes.")
    if segment in (".", ".."):
        raise RealtimeError("invalid_topic", "A topic has no part that is . or .. alone.")
    if segment != segment.strip():
        raise RealtimeError("invalid_topic", "A part of a topic cannot begin or end in a space.")
    if _isPlain(segment) and _REFUSED.isdisjoint(segment):
        return
    for character in segment:
        if character in _REFUSED:
            raise RealtimeError("invalid_topic", f"A topic cannot hold {character!r}.")
        _checkPrintable(character)


def _checkTableName(name: str) -> None:
    """A table may have nearly any name; the database says whether it exists."""
    if not name:
        raise RealtimeError("invalid_topic", "A table's topic names a table.")
    if not _isPlain(name):
        for character in name:
            _checkPrintable(character)


def _isPlain(text: str) -> bool:
    """Whether all characters are printable ASCII.  Most names are, and this check is fast."""
    return text.isascii() and text.isprintable()


def isPrintable(text: str) -> bool:
    """
    Whether a text has no control characters, no line breaks and no halves of surrogate pairs.
    """
    return _isPlain(text) or all(
        unicodedata.category(character) not in _REFUSED_CATEGORIES for character in text
    )


def _checkPrintable(character: str) -> None:
    if unicodedata.category(character) in _REFUSED_CATEGORIES:
        raise RealtimeError(
            "invalid_topic", f"A topic cannot hold the character U+{ord(character):04X}."
        )


USER_LENGTH = 255
"""How many characters the name of a user may have."""


def checkUser(userId: str) -> None:
    """
    Check the name of a user: in a token's C{sub}, in the URL's C{userId}, and in what a server
    publishes.

    @raise ValueError: It cannot be a user's name; the message says why.
    """
    if not 0 < len(userId) <= USER_LENGTH:
        raise ValueError(f"has 1 to {USER_LENGTH} characters")
    if userId != userId.strip():
        raise ValueError("cannot begin or end in a space")
    for character in userId:
        if unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise ValueError(f"cannot hold the character U+{ord(character):04X}")


RESERVED_EVENTS = "presence:"


def checkEvent(event: str, maxLength: int) -> None:
    """
    Check the name of an event that a client wants to publish.

    @raise RealtimeError: C{invalid_event}.
    """
    if not event:
        raise RealtimeError("invalid_event", "An event's name cannot be empty.")
    if len(event) > maxLength:
        raise RealtimeError("invalid_event", f"An event's name has at most {maxLength} characters.")
    if len(event) <= SHORT:
        _checkEventOften(event)
    else:
        _checkEvent(event)


def _checkEvent(event: str) -> None:
    if event.startswith(RESERVED_EVENTS):
        raise RealtimeError(
            "invalid_event", f"Events that begin with {RESERVED_EVENTS} are the daemon's own."
        )
    if event == "*" or not isPrintable(event):
        raise RealtimeError(
            "invalid_event", "An event's name is printable text, and not * (which means all)."
        )


_checkEventOften = lru_cache(maxsize=1024)(_checkEvent)
