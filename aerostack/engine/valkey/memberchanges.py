"""
Members, and changes of sets of members, as they are on the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from aerostack.core.presence import Member
from aerostack.engine.valkey.entries import MalformedEntry

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(tuple[str | None, str | None, bytes])


@dataclass(frozen=True, slots=True)
class SetVersion:
    """
    How often a set has changed.

    @ivar epoch: Another one whenever the set was made anew; empty if there is no set.
    @ivar number: One more after each change.
    """

    epoch: str
    number: int


@dataclass(frozen=True, slots=True)
class SetChange:
    """
    One change of a set.

    @ivar version: The set's version after the change.
    @ivar name: The member's name.
    @ivar member: The member; L{None} if it left.
    """

    version: SetVersion
    name: str
    member: Member | None


def ownerOf(project: str, userId: str | None, client: str | None) -> bytes:
    """
    A digest of who may take a member over; C{-} if no other connection may.
    """
    if userId is None and client is None:
        return b"-"
    owner = _encode((project, userId, client if userId is None else None))
    return blake2b(owner, digest_size=16).hexdigest().encode()


def encodeMember(userId: str | None, client: str | None, state: bytes) -> bytes:
    """
    Write what stays the same about a member until its state changes.
    """
    return _encode((userId, client, state))


def readVersion(text: bytes) -> SetVersion:
    """
    Read the version of a set.

    @param text: Empty if there is no set.
    @raise MalformedEntry: No node wrote it.
    """
    if not text:
        return SetVersion("", 0)
    epoch, _, number = text.partition(b" ")
    try:
        return SetVersion(epoch.decode("ascii"), int(number))
    except ValueError as error:
        raise MalformedEntry(f"{text[:100]!r}") from error


def readChange(message: bytes) -> SetChange:
    """
    Read a change that the server pushed.

    @raise MalformedEntry: No node wrote it.
    """
    line, _, body = message.partition(b"\n")
    try:
        epoch, number, kind, name, since = line.decode("ascii").split(" ")
        version = SetVersion(epoch, int(number))
        member = _makeMember(name, since, body) if kind == "+" else None
    except (ValueError, msgspec.DecodeError) as error:
        raise MalformedEntry(f"{message[:100]!r}") from error
    return SetChange(version, name, member)


def readMember(name: bytes, stored: bytes) -> tuple[int, Member]:
    """
    Read a member of a set.

    @return: Its number in the order of joining, and the member.
    @raise MalformedEntry: No node wrote it.
    """
    line, _, body = stored.partition(b"\n")
    try:
        _, _, number, since, *_ = line.decode("ascii").split(" ")
        return int(number), _makeMember(name.decode("ascii"), since, body)
    except (ValueError, msgspec.DecodeError) as error:
        raise MalformedEntry(f"{stored[:100]!r}") from error


def _makeMember(name: str, since: str, body: bytes) -> Member:
    userId, client, state = _decoder.decode(body)
    return Member(name, userId, state, int(since), client)
