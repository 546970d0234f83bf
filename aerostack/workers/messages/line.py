"""
The messages that remove users on all workers; see L{aerostack.interfaces.line.ILine} and
L{aerostack.interfaces.revocations.IRevocationStore}.
"""

from __future__ import annotations

from msgspec import Struct

from aerostack.core.access.removals import Disconnect, Revocation


class Order(Struct, frozen=True, array_like=True, tag=76):
    """
    The hub has a worker do something; the answer is an L{Obeyed}.  One of the fields is set.
    """

    disconnect: Disconnect | None
    revocation: Revocation | None

    @property
    def what(self) -> Disconnect | Revocation:
        """What the worker is to do."""
        what = self.disconnect or self.revocation
        if what is None:
            raise ValueError("an order is empty")
        return what


class Obeyed(Struct, frozen=True, array_like=True, tag=77):
    """
    A worker has done it.

    @ivar count: How many connections it closed.
    """

    count: int


class AskAll(Struct, frozen=True, array_like=True, tag=78):
    """
    A worker asks the hub to have all workers and nodes do something; the answer is an L{Answers}.

    @ivar timeout: Seconds after which no answer is waited for.
    """

    order: Order
    timeout: float


class Answers(Struct, frozen=True, array_like=True, tag=79):
    """
    What the workers and the other nodes have answered.

    @ivar counts: By the name of each node and worker, how many connections it closed; L{None} if it
        failed or did not answer in time.
    """

    counts: dict[str, int | None]


class TellAll(Struct, frozen=True, array_like=True, tag=91):
    """
    As L{AskAll}, without an answer.
    """

    order: Order


class Keep(Struct, frozen=True, array_like=True, tag=92):
    """
    A worker asks the hub to keep a revocation in the database; the answer is a
    L{aerostack.workers.messages.shares.Done}.
    """

    revocation: Revocation


class ReadRevocations(Struct, frozen=True, array_like=True, tag=93):
    """
    A worker asks for a project's revocations that have not ended; the answer is a L{Found}.

    @ivar now: Milliseconds since the epoch.
    """

    project: str
    now: int


class Found(Struct, frozen=True, array_like=True, tag=94):
    """
    The revocations of a project.
    """

    revocations: list[Revocation]


class Forget(Struct, frozen=True, array_like=True, tag=95):
    """
    A worker asks the hub to delete revocations that have ended; the answer is a
    L{aerostack.workers.messages.shares.Done}.

    @ivar now: Milliseconds since the epoch.
    """

    now: int


KINDS: tuple[type[Struct], ...] = (
    Order,
    Obeyed,
    AskAll,
    Answers,
    TellAll,
    Keep,
    ReadRevocations,
    Found,
    Forget,
)


def orderOf(what: Disconnect | Revocation) -> Order:
    """
    The message that has a worker do something.
    """
    if isinstance(what, Disconnect):
        return Order(what, None)
    return Order(None, what)
