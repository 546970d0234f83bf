"""
Remembers which requests the daemon has refused, counts them, and writes them to the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.admin.topics import Shown
from aerostack.core.diagnosis.refusals import (
    QUIET,
    Group,
    Refusal,
    RefusalGroups,
    RefusalLines,
    Repeat,
)
from aerostack.interfaces.refusals import IRefusals

_FAILURES = frozenset(("internal_error",))
"""Codes of which the log has a line of its own, with the traceback."""


@implementer(IRefusals)
class Refusals(Service):
    """
    The refusals of all processes of a machine.

    @ivar counts: How many refusals there were since the start, by code.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._groups = RefusalGroups()
        self._lines = RefusalLines(clock.seconds())
        self._timer: IDelayedCall | None = None
        # Clients are refused until the daemon has stopped, and before it has started: it may wait
        # for its database.
        self._hasStopped = False

    def note(self, refusal: Refusal) -> None:
        self.noteAll(refusal, 1)

    def noteAll(self, refusal: Refusal, count: int) -> None:
        """
        Note some refusals of one project, code, origin and address.

        @param refusal: The last of them.
        """
        self.counts[refusal.code] += count
        self._groups.note(refusal, count)
        if refusal.code in _FAILURES:
            return
        if self._lines.note(refusal, count, self._clock.seconds()):
            self.log.info(
                "refused with {code}: {reason} ({about})",
                reason=refusal.message,
                about=_about(refusal),
                **_fields(refusal),
            )
        self._wait()

    def _wait(self) -> None:
        """Say later how many more there were."""
        if not self._hasStopped and self._timer is None and not self._lines.isIdle:
            self._timer = self._clock.callLater(QUIET, self._repeat)

    def countMore(self, code: str, count: int) -> None:
        """
        Count refusals of which nothing else is known.
        """
        self.counts[code] += count
        if code not in _FAILURES:
            self._lines.noteOthers(count)
            self._wait()

    def list(self, project: str) -> Shown:
        found = self._groups.of(project)
        return {"refusals": [_row(group) for group in found], "total": len(found)}

    def keep(self, projects: Collection[str]) -> None:
        """
        Forget what was refused to clients of all projects but these.
        """
        self._groups.keep(projects)

    def stopService(self) -> None:
        super().stopService()
        self._hasStopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write(self._lines.all(self._clock.seconds()))

    def _repeat(self) -> None:
        self._timer = None
        self._write(self._lines.due(self._clock.seconds()))
        self._wait()

    def _write(self, repeats: Collection[Repeat]) -> None:
        for refusal, count, seconds in repeats:
            self.log.info(
                "refused with {code}: {count} more in {seconds} s ({about})",
                count=count,
                seconds=round(seconds),
                about=_about(refusal),
                **_fields(refusal),
            )
        others = self._lines.takeOthers()
        if others:
            self.log.info(
                "refused: {count} more, of too many projects, codes and origins for a line each",
                count=others,
            )


def _about(refusal: Refusal) -> str:
    parts = {
        "project": refusal.project,
        "origin": refusal.origin,
        "address": refusal.address,
        "user": refusal.userId,
    }
    named = [f"{name} {value}" for name, value in parts.items() if value is not None]
    return ", ".join([*named, refusal.request])


def _fields(refusal: Refusal) -> dict[str, str | None]:
    """The facts for programs that read the log."""
    return {
        "code": refusal.code,
        "project": refusal.project,
        "origin": refusal.origin,
        "address": refusal.address,
    }


def _row(group: Group) -> Shown:
    newest = group.newest
    return {
        "at": newest.at,
        "since": group.since,
        "count": group.count,
        "code": newest.code,
        "project": newest.project,
        "origin": newest.origin,
        "address": newest.address,
        "request": newest.request,
        "userId": newest.userId,
        "message": newest.message,
    }
