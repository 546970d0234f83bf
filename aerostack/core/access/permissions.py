"""
The identity of a client, and the actions that it allows.
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
    The kind of credentials that a client has.
    """

    ANONYMOUS = "anonymous"
    PUBLIC = "public key"
    TOKEN = "token"
    SECRET = "secret key"


class Action(Enum):
    """
    An action on a topic.  The claims of a token use the same names.
    """

    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    PRESENCE = "presence"
    STREAM = "stream"
    """To produce token streams.  Only a token that names the topic allows it, and the secret
    key."""


_ALL: Mapping[Action, Patterns] = MappingProxyType(
    {**dict.fromkeys(Action, EVERYTHING), Action.STREAM: Patterns(())}
)


@dataclass(frozen=True)
class Proof:
    """
    The credentials that a client had, so that the daemon can check later whether they still hold.

    @ivar key: A hash of the API key; L{None} if there was none.
    @ivar signer: A hash of the key that verified the token; L{None} if there was no token.
    @ivar origin: The page that the client came from.
    @ivar issued: When the token was issued at the earliest, seconds since the epoch; L{None} if
        the token does not say.
    @ivar tokenId: The token's own id, C{jti}; L{None} if it has none that can be revoked.
    """

    key: str | None = None
    signer: str | None = None
    origin: str | None = None
    issued: float | None = None
    tokenId: str | None = None


@dataclass(frozen=True)
class Identity:
    """
    The project and the user for which a connection or request acts.

    @ivar project: The project's id.
    @ivar role: The kind of credentials.
    @ivar userId: The user's name; L{None} if the daemon accepted none.
    @ivar expires: When the token expires, seconds since the epoch; L{None} for never.
    @ivar allowed: For each action, patterns of the paths of topics on which it is allowed.
    @ivar claims: The claims of the token; L{None} if there is no token.
    @ivar proof: The credentials, as hashes.
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
        if topic.table is not None and action is Action.PUBLISH and self.role is not Role.SECRET:
            raise RealtimeError(
                "forbidden", "Only a server with the secret key may publish on a table's topic."
            )
        if self.allowed[action].match(topic.path):
            return
        if action is Action.STREAM and self.role is Role.SECRET:
            return
        message = f"The token does not allow {action.value} on {topic.path}."
        if action is Action.STREAM:
            message = (
                "Token streams take the secret key, or a token whose claim"
                f" {CLAIM}.{action.value} has {topic.path}."
            )
        raise RealtimeError("forbidden", message)


CLAIM = "topics"
"""The claim of a token that narrows what it allows: an object with any of
C{subscribe}, C{publish}, C{presence} and C{stream}, each a list of patterns."""


def allowedByClaims(claims: Mapping[str, Any]) -> Mapping[Action, Patterns]:
    """
    Read what a token's claims allow.  Without the claim every action but L{Action.STREAM} is
    allowed.  With it, only the actions that it names are.

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
