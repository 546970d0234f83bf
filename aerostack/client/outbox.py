"""
What was published and not yet acknowledged.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred, fail

from aerostack.client.errors import ClientError


@dataclass
class _Publication:
    number: int
    payload: bytes
    acknowledged: Deferred[None] = field(default_factory=Deferred)
    # Whether the present connection has it, and has not refused it.
    sent: bool = False


class Outbox:
    """
    Outbox in their order, each until it is answered: whatever is not is sent again
    on the next connection, under the same id.
    """

    def __init__(self, limit: int) -> None:
        """
        @param limit: How many there may be.
        """
        self._limit = limit
        self._open: dict[str, _Publication] = {}
        # Those to be sent, by the order in which they were published.
        self._due: list[tuple[int, str]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, id: str, payload: bytes) -> Deferred[None]:
        """
        Take a publication.

        @return: Fires when it is acknowledged.  Fails at once if there are too many.
        """
        if len(self._open) >= self._limit:
            return fail(
                ClientError(
                    "queue_full",
                    f"{self._limit} publications wait for an answer already; publish more slowly.",
                )
            )
        self._count += 1
        publication = self._open[id] = _Publication(self._count, payload)
        self.again(id)
        return publication.acknowledged

    def next(self) -> bytes | None:
        """
        What is to be sent next.  Whoever takes it sends it.
        """
        while self._due:
            _, id = heapq.heappop(self._due)
            publication = self._open.get(id)
            if publication is not None and not publication.sent:
                publication.sent = True
                return publication.payload
        return None

    def acknowledge(self, id: object) -> bool:
        """
        The daemon has taken one.

        @return: Whether there is such a one.
        """
        publication = self._answered(id)
        if publication is not None:
            publication.acknowledged.callback(None)
        return publication is not None

    def refuse(self, id: object, error: ClientError) -> bool:
        """
        The daemon does not take one.

        @return: Whether there is such a one.
        """
        publication = self._answered(id)
        if publication is not None:
            publication.acknowledged.errback(error)
        return publication is not None

    def postpone(self, id: object) -> bool:
        """
        The daemon does not take one now; send it L{again} later.

        @return: Whether there is such a one.
        """
        publication = self._open.get(id) if isinstance(id, str) else None
        if publication is not None:
            publication.sent = False
        return publication is not None

    @property
    def only(self) -> str | None:
        """The id of the one that is under way, if it is the only one."""
        sent = [id for id, publication in self._open.items() if publication.sent]
        return sent[0] if len(sent) == 1 else None

    def tooLarge(self, most: int | None, error: ClientError) -> bool:
        """
        The daemon takes none of more bytes: those that have more fail.

        @param most: L{None} where that is not known: the largest of those that are under way
            fails.
        @return: Whether there was one.
        """
        if most is None:
            largest = max(
                ((len(each.payload), id) for id, each in self._open.items() if each.sent),
                default=None,
            )
            found = [] if largest is None else [largest[1]]
        else:
            found = [id for id, each in self._open.items() if len(each.payload) > most]
        for id in found:
            self.refuse(id, error)
        return bool(found)

    def again(self, id: str) -> None:
        """
        Let one be sent that is not under way.
        """
        publication = self._open.get(id)
        if publication is not None and not publication.sent:
            heapq.heappush(self._due, (publication.number, id))

    def closed(self) -> None:
        """
        The connection is gone, and with it what was under way.
        """
        self._due = [(publication.number, id) for id, publication in self._open.items()]
        for publication in self._open.values():
            publication.sent = False

    def fail(self, error: ClientError) -> None:
        """
        None of them will be sent any more.
        """
        failed, self._open, self._due = self._open, {}, []
        for publication in failed.values():
            publication.acknowledged.errback(error)

    def _answered(self, id: object) -> _Publication | None:
        return self._open.pop(id, None) if isinstance(id, str) else None
