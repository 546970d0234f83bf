"""
Reads what the script that places publications has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aerostack.core.keyed.values import Unplaced
from aerostack.core.replay.shared import Placed
from aerostack.engine.valkey.entries import readPlace
from aerostack.engine.valkey.keyedscripts import FULL


@dataclass
class Outcomes:
    """
    What has become of a batch.

    @ivar placed: The outcomes of the first publications of the batch.  The others were not placed.
    @ivar missing: The mark after which kept messages are missing in the log, and the log's epoch;
        L{None} if none are.
    @ivar isUnprepared: Whether the topic's values must be compared with the database first.
    @ivar isReserved: Whether the next publication waits for a key that another one has reserved.
    """

    placed: list[Placed | Exception] = field(default_factory=list)
    missing: tuple[int, str] | None = None
    isUnprepared: bool = False
    isReserved: bool = False


def readOutcomes(answer: bytes, full: Callable[[bytes], Exception]) -> Outcomes:
    """
    Read an answer that is not empty.

    @param full: Makes the error for a value for which there is no room, from the script's code.
    """
    found = Outcomes()
    for part in answer.decode().split(";"):
        code, *fields = part.split(" ")
        if code == "b":
            mark, epoch = fields
            found.missing = int(mark), epoch
        elif code == "l":
            found.isUnprepared = True
        elif code == "w":
            found.isReserved = True
        elif code == "x":
            found.placed.append(Placed(None, True))
        elif code in ("s", "k"):
            found.placed.append(Unplaced(code == "s"))
        elif code.encode() in FULL:
            found.placed.append(full(code.encode()))
        else:
            found.placed.append(Placed(readPlace(*fields), code != "p"))
    return found
