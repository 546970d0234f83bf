"""
Takes notice of what workers have refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from aerostack.admin.refusals import Refusals
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.refusals import NoteRefusals


class WorkerRefusals:
    """
    Hands what workers have refused to the node.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {
            NoteRefusals: self._note
        }

    def _note(self, link: Link, message: NoteRefusals) -> None:
        for refusal, count in message.groups:
            self._refusals.noteAll(refusal, count)
        for code, count in message.more.items():
            self._refusals.countMore(code, count)
