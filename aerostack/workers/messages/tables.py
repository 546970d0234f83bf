"""
The messages about changes of tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from msgspec import Raw, Struct

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.core.rows.journal import Lag
from aerostack.workers.messages.values import decoderOf, encodeList, packRow

MAX_CHANGE = 6_291_456
"""How many bytes the values of one change may have in JSON, so that it surely fits a frame.  In
place of a change that does not fit, the workers hear that the table is lost and back."""

INTERVAL = 1.0
"""Seconds between two messages about how the hub's tracker does."""


class Watch(Struct, frozen=True, array_like=True, tag=32):
    """
    A worker asks for the changes of a table.

    @ivar table: The table's name, as a client spelled it.
    """

    table: str


class Watched(Struct, frozen=True, array_like=True, tag=33):
    """
    The worker gets every change from here on.

    @ivar table: The table's name as the database spells it.
    @ivar lineage: See L{aerostack.interfaces.tracking.IJournal.lineage}.
    @ivar reshapedAt: See L{aerostack.interfaces.tracking.IJournal.reshapedAt}.
    @ivar position: The number of the newest change that was delivered, of any table.
    @ivar within: Whether a part of a transaction was delivered, and not yet the rest.
    """

    table: str
    lineage: str
    reshapedAt: int
    position: int
    within: bool


class Unwatch(Struct, frozen=True, array_like=True, tag=34):
    """
    A worker needs no more changes of a table.
    """

    table: str


class Changes(Struct, frozen=True, array_like=True, tag=35):
    """
    Changes of tables that the worker watches, in commit order.

    @ivar changes: What L{encodeChanges} made of them.
    """

    changes: Raw


class Lost(Struct, frozen=True, array_like=True, tag=36):
    """
    See L{aerostack.interfaces.tracking.IChangeListener.tableLost}.
    """

    table: str
    code: str
    message: str
    retryAfter: int | None
    seq: int


class Altered(Struct, frozen=True, array_like=True, tag=37):
    """
    See L{aerostack.interfaces.tracking.IChangeListener.tableAltered}.

    @ivar position: See L{Watched}.
    """

    table: str
    columns: dict[str, ColumnType]
    position: int


class Reshaped(Struct, frozen=True, array_like=True, tag=38):
    """
    See L{aerostack.interfaces.tracking.IChangeListener.tableReshaped}.

    @ivar reshapedAt: See L{Watched}.
    @ivar position: See L{Watched}.
    """

    table: str
    reshapedAt: int
    position: int


class Back(Struct, frozen=True, array_like=True, tag=39):
    """
    See L{aerostack.interfaces.tracking.IChangeListener.tableBack}.  The fields are those of
    L{Watched}.
    """

    table: str
    lineage: str
    reshapedAt: int
    position: int


class Down(Struct, frozen=True, array_like=True, tag=40):
    """
    See L{aerostack.interfaces.tracking.IChangeListener.feedDown}.
    """

    reason: str


class Up(Struct, frozen=True, array_like=True, tag=41):
    """
    See L{aerostack.interfaces.tracking.IChangeListener.feedUp}.
    """


class FeedState(Struct, frozen=True, array_like=True, tag=42):
    """
    How the hub's tracker does.  The hub sends it each second.

    @ivar position: See L{Watched}.
    @ivar lag: See L{aerostack.interfaces.tracking.IChangeTracker.lag}; seconds.
    @ivar waiting: See L{aerostack.interfaces.tracking.IChangeTracker}.
    @ivar health: See L{aerostack.interfaces.tracking.IChangeTracker.health}.
    """

    position: int
    lag: float
    waiting: Lag | None
    health: str | None


class Mark(Struct, frozen=True, array_like=True, tag=43):
    """
    A point among what the hub sends about tables, at which the worker answers with L{Taken}.
    """

    number: int


class Taken(Struct, frozen=True, array_like=True, tag=44):
    """
    The worker has handled everything about tables up to a L{Mark}.
    """

    number: int


class Reach(Struct, frozen=True, array_like=True, tag=45):
    """
    See L{aerostack.interfaces.tracking.IChangeTracker.reach}.
    """

    position: int
    patience: float


class Reached(Struct, frozen=True, array_like=True, tag=46):
    """
    The wait is over.

    @ivar position: See L{Watched}.
    """

    position: int


class AskColumns(Struct, frozen=True, array_like=True, tag=47):
    """
    See L{aerostack.interfaces.tracking.IChangeTracker.columns}.
    """

    table: str


class TableColumns(Struct, frozen=True, array_like=True, tag=48):
    """
    The columns of a table.
    """

    columns: dict[str, ColumnType]


KINDS: tuple[type[Struct], ...] = (
    Watch,
    Watched,
    Unwatch,
    Changes,
    Lost,
    Altered,
    Reshaped,
    Back,
    Down,
    Up,
    FeedState,
    Mark,
    Taken,
    Reach,
    Reached,
    AskColumns,
    TableColumns,
)


def encodeChanges(changes: Iterable[Change]) -> Iterator[bytes]:
    """
    Encode changes, as lists of about L{aerostack.workers.messages.values.PIECE} bytes.
    """
    return encodeList(map(_pack, changes))


def _pack(change: Change) -> Change:
    data = packRow(change.data)
    old = None if change.old is None else packRow(change.old)
    if data is change.data and old is change.old:
        return change
    return replace(change, data=data, old=old)


decodeChanges = decoderOf(list[Change]).decode
"""Decodes a list of changes."""


def columnsForm(columns: Columns) -> dict[str, ColumnType]:
    """
    Columns as a message has them.
    """
    return dict(columns)
