"""
The tokens that the daemon refuses although they are signed and have not expired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from aerostack.core.access.permissions import Identity
from aerostack.core.access.removals import Revocation
from aerostack.errors import RealtimeError

COST = 400
"""About how many bytes a revocation takes beside its texts."""

LONGEST_WAIT = 60_000
"""The milliseconds after which a server tries again at the latest when there is no room."""

_Key = tuple[str, str | None]
"""A user, and the id of a token or L{None}."""


@dataclass(frozen=True, slots=True)
class Room:
    """
    How many revocations a project may have at a time.

    @ivar entries: Their number.
    @ivar size: Their bytes, including a fixed cost of each.
    """

    entries: int
    size: int


ROOM = Room(10_000, 8_388_608)


class Revocations:
    """
    The revocations of every project.

    A revocation of the same tokens joins the earlier one: it refuses what either refuses, for the
    longer of the two times.
    """

    def __init__(self, room: Room = ROOM) -> None:
        self._room = room
        self._projects: dict[str, dict[_Key, Revocation]] = {}
        # The bytes of the revocations of each project.
        self._sizes: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._projects.values()))

    def add(self, revocation: Revocation, now: float) -> Revocation | None:
        """
        Add a revocation.

        @param now: Seconds since the epoch.
        @return: The revocation as it is now, joined with the one before; L{None} if it refuses
            nothing that was not refused already.
        @raise RealtimeError: C{overloaded}: the project has no room for one more.
        """
        if revocation.until <= now * 1000:
            return None
        project, key = revocation.project, (revocation.userId, revocation.tokenId)
        before = self._projects.get(project, {}).get(key)
        if before is not None:
            revocation = _join(before, revocation)
            if revocation == before:
                return None
        self._makeRoom(revocation, before, now)
        self._projects.setdefault(project, {})[key] = revocation
        grown = _weigh(revocation) - (0 if before is None else _weigh(before))
        self._sizes[project] = self._sizes.get(project, 0) + grown
        return revocation

    def _makeRoom(self, revocation: Revocation, before: Revocation | None, now: float) -> None:
        """
        Make sure that there is room for a revocation.  If there is not, forget the revocations
        that are over.
        """
        if self._hasRoom(revocation, before):
            return
        self._forget(revocation.project, now)
        if self._hasRoom(revocation, before):
            return
        held = self._projects[revocation.project]
        first = min(each.until for each in held.values())
        raise RealtimeError(
            "overloaded",
            f"The project has {len(held)} revocations, and no room for one more until one of them"
            " ends. To end all tokens, change the key that signs them.",
            min(LONGEST_WAIT, max(1, first - int(now * 1000))),
        )

    def _hasRoom(self, revocation: Revocation, before: Revocation | None) -> bool:
        project = revocation.project
        entries, size = len(self._projects.get(project, ())), self._sizes.get(project, 0)
        if before is not None:
            entries, size = entries - 1, size - _weigh(before)
        return entries < self._room.entries and size + _weigh(revocation) <= self._room.size

    def check(self, identity: Identity, now: float) -> None:
        """
        Make sure that the token of an identity is not revoked.

        @param now: Seconds since the epoch.
        @raise RealtimeError: C{token_revoked}, with the reason in its message.
        """
        held = self._projects.get(identity.project)
        if held is None or identity.proof.signer is None or identity.userId is None:
            return
        revocation = held.get((identity.userId, None))
        if revocation is not None and revocation.until > now * 1000:
            issued = identity.proof.issued
            if issued is None or issued * 1000 < revocation.before:
                raise _refusal(revocation)
        if identity.proof.tokenId is not None:
            revocation = held.get((identity.userId, identity.proof.tokenId))
            if revocation is not None and revocation.until > now * 1000:
                raise _refusal(revocation)

    def sweep(self, now: float) -> Iterator[None]:
        """
        Forget the revocations that are over, one project in each step.

        @param now: Seconds since the epoch.
        """
        for project in tuple(self._projects):
            self._forget(project, now)
            yield

    def _forget(self, project: str, now: float) -> None:
        held = self._projects.get(project, {})
        kept = {key: each for key, each in held.items() if each.until > now * 1000}
        if kept:
            self._projects[project] = kept
            self._sizes[project] = sum(map(_weigh, kept.values()))
        else:
            self._projects.pop(project, None)
            self._sizes.pop(project, None)


def _join(before: Revocation, after: Revocation) -> Revocation:
    """
    The revocation that refuses what either of two refuses.
    """
    newer = after if after.before >= before.before else before
    return replace(newer, until=max(before.until, after.until))


def _weigh(revocation: Revocation) -> int:
    texts = (revocation.userId, revocation.tokenId or "", revocation.reason)
    return COST + sum(len(text.encode("utf-8", "replace")) for text in texts)


def _refusal(revocation: Revocation) -> RealtimeError:
    why = f" ({revocation.reason})" if revocation.reason else ""
    return RealtimeError("token_revoked", f"The token was revoked{why}; get a new one.")
