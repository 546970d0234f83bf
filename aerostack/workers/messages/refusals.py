"""
The message by which a worker tells the hub what it has refused.
"""

from __future__ import annotations

from msgspec import Struct

from aerostack.core.diagnosis.refusals import Refusal


class NoteRefusals(Struct, frozen=True, array_like=True, tag=170):
    """
    What a worker has refused since its last message.

    @ivar groups: See L{aerostack.core.diagnosis.refusals.RefusalBatch.take}.
    @ivar more: See there.
    """

    groups: list[tuple[Refusal, int]]
    more: dict[str, int]


KINDS: tuple[type[Struct], ...] = (NoteRefusals,)
