"""
Takes notice of refusals at a worker, and tells the hub of them.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from aerostack.core.diagnosis.refusals import Refusal, RefusalBatch
from aerostack.interfaces.refusals import IRefusals
from aerostack.workers.messages.refusals import NoteRefusals
from aerostack.workers.worker.links import HubLink

INTERVAL = 1.0
"""Seconds for which a worker gathers refusals."""


@implementer(IRefusals)
class RemoteRefusals(Service):
    """
    Gathers refusals for the hub, which counts and lists them.
    """

    def __init__(self, clock: IReactorTime, hub: HubLink) -> None:
        self._clock = clock
        self._hub = hub
        self._batch = RefusalBatch()
        self._timer: IDelayedCall | None = None

    def note(self, refusal: Refusal) -> None:
        self._batch.note(refusal)
        if self._timer is None:
            self._timer = self._clock.callLater(INTERVAL, self._send)

    def list(self, project: str) -> dict[str, Any]:
        return {"refusals": [], "total": 0}

    def stopService(self) -> None:
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._send()

    def _send(self) -> None:
        self._timer = None
        groups, more = self._batch.take()
        self._hub.send(NoteRefusals(groups, more))
