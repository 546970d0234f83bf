"""
Who somebody is, and what that lets them do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from aerostack.core.topics.patterns import EVERYTHING, Patterns
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError


class Role(Enum):
    """
    By what a client was let in.
    """

    ANONYMOUS = "anonymous"
    PUBLIC = "public key"
    TOKEN = "token"
    SECRET = "secret key"


class Action(Enum):
    """
    What a client may want to do on a topic; also the names of the claims.
    """

    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    PRESENCE = "presence"


_ALL: Mapping[Action, Patterns] = MappingProxyType(dict.fromkeys(Action, EVERYTHING))


@dataclass(frozen=True)
class Proof:
    """
    By what somebody was let in, to see later whether that still holds.

    @ivar key: What stands for the API key; L{None} if there was none.
    @ivar signer: What stands for the key that the token was checked with; L{None} if there was
        no token.
    @ivar origin: The page that the client came from.
    """

    key: str | None = None
    signer: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Identity:
    """
    Who a connection or request acts for.

    @ivar project: The id of its project.
    @ivar role: By what it was let in.
    @ivar userId: The user, if there is one that we believe.
    @ivar expires: When its token ends, seconds since the epoch; L{None} for never.
    @ivar allowed: The topics on which each action is allowed, by path.
    @ivar claims: What its token says, L{None} where there is no token.
    @ivar proof: By what it was let in.
    """

    project: str
    role: Role
    userId: str | None = None
    expires: float | None = None
    allowed: Mapping[Action, Patterns] = field(default_factory=lambda: _ALL)
    claims: Mapping[str, Any] | None = field(default=None, repr=False)
    proof: Proof = field(default_factory=Proof, repr=False, compare=False)

    def check(self, action: Action, topic: Topic) -> None:
        """
        Make sure that an action is allowed on a topic.

        @raise RealtimeError: C{wrong_project} or C{forbidden}.
        """
        if topic.project != self.project:
            raise RealtimeError("wrong_project", f"This is a connection to {self.project}.")
        if (
            action is Action.PUBLISH
            and topic.path.startswith("table/")
            and self.role is not Role.SECRET
        ):
            raise RealtimeError(
                "forbidden", "Only a server with the secret key may publish on a table's topic."
            )
        if not self.allowed[action].match(topic.path):
            raise RealtimeError(
                "forbidden", f"The token does not allow {action.value} on {topic.path}."
            )


CLAIM = "topics"
"""The claim of a token that narrows what it allows: an object with any of
C{subscribe}, C{publish} and C{presence}, each a list of patterns."""


def allowedByClaims(claims: Mapping[str, Any]) -> Mapping[Action, Patterns]:
    """
    Read what a token's claims allow.  Without the claim everything is; with it, an
    action that it does not name is not.

    @raise ValueError: The claim is malformed; the message says how.
    """
    topics = claims.get(CLAIM)
    if topics is None:
        return _ALL
    if not isinstance(topics, dict):
        raise ValueError(f"the claim {CLAIM} must be an object")
    known = {action.value for action in Action}
    for name, patterns in topics.items():
        if name not in known:
            raise ValueError(f"the claim {CLAIM} knows {', '.join(sorted(known))}, not {name}")
        if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
            raise ValueError(f"the claim {CLAIM}.{name} must be a list of patterns")
    return MappingProxyType({action: Patterns(topics.get(action.value, ())) for action in Action})
