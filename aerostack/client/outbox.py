"""
Publications that the daemon has not acknowledged yet.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred, fail

from aerostack.client.errors import ClientError
from aerostack.client.pending import Pending


@dataclass
class _Publication:
    number: int
    payload: bytes
    acknowledged: Pending[None] = field(default_factory=Pending)
    # Whether it went out on this connection, and the daemon has not refused it.
    sent: bool = False


class Outbox:
    """
    Keeps publications in their order until the daemon has answered each of them.  Those without
    an answer go out again on the next connection, with the same id.
    """

    def __init__(self, limit: int) -> None:
        """
        @param limit: How many publications may wait.
        """
        self._limit = limit
        self._open: dict[str, _Publication] = {}
        # Those that have yet to go out, in the order in which the application published.
        self._due: list[tuple[int, str]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, id: str, payload: bytes) -> Deferred[None]:
        """
        Take a publication.

        @return: Fires when the daemon has acknowledged it.  Fails at once if too many wait.
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
        Take the next publication, as JSON.  The caller sends it.
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
        The daemon acknowledged a publication.

        @return: Whether the outbox has it.
        """
        publication = self._answered(id)
        if publication is not None:
            publication.acknowledged.callback(None)
        return publication is not None

    def refuse(self, id: object, error: ClientError) -> bool:
        """
        The daemon refused a publication for good.

        @return: Whether the outbox has it.
        """
        publication = self._answered(id)
        if publication is not None:
            publication.acknowledged.errback(error)
        return publication is not None

    def postpone(self, id: object) -> bool:
        """
        The daemon refused a publication for now: it goes out after L{again}.

        @return: Whether the outbox has it.
        """
        publication = self._open.get(id) if isinstance(id, str) else None
        if publication is not None:
            publication.sent = False
        return publication is not None

    @property
    def only(self) -> str | None:
        """The id of the publication that is under way, if there is exactly one."""
        sent = [id for id, publication in self._open.items() if publication.sent]
        return sent[0] if len(sent) == 1 else None

    def tooLarge(self, most: int | None, error: ClientError) -> bool:
        """
        The daemon takes no larger frames: fail the publications that are larger.

        @param most: The bytes that a frame may have.  L{None} if that is not known: then the
            largest publication that is under way fails.
        @return: Whether there was such a publication.
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
        Let a publication go out that is not under way.
        """
        publication = self._open.get(id)
        if publication is not None and not publication.sent:
            heapq.heappush(self._due, (publication.number, id))

    def closed(self) -> None:
        """
        The connection is closed: what was under way goes out again.
        """
        self._due = [(publication.number, id) for id, publication in self._open.items()]
        for publication in self._open.values():
            publication.sent = False

    def fail(self, error: ClientError) -> None:
        """
        The client has given up: fail all publications.
        """
        failed, self._open, self._due = self._open, {}, []
        for publication in failed.values():
            publication.acknowledged.errback(error)

    def _answered(self, id: object) -> _Publication | None:
        return self._open.pop(id, None) if isinstance(id, str) else None
