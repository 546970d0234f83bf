"""
The messages about what clients and projects share; see L{aerostack.interfaces.shares}.
"""

from __future__ import annotations

from msgspec import Struct

from aerostack.core.limits.leases import Tokens


class Done(Struct, frozen=True, array_like=True, tag=80):
    """
    The answer to a question that only asks whether something may be.
    """


class Admit(Struct, frozen=True, array_like=True, tag=81):
    """
    A worker asks for a place for one more connection; the answer is a L{Done}.

    @ivar place: A number that the worker gives the place.
    @ivar address: See L{aerostack.settings.addresses}.
    """

    place: int
    address: str | None


class Enter(Struct, frozen=True, array_like=True, tag=82):
    """
    A worker asks to count a place to a project; the answer is a L{Done}.
    """

    place: int
    project: str


class Release(Struct, frozen=True, array_like=True, tag=83):
    """
    A worker gives a place back.
    """

    place: int


class AddSubscription(Struct, frozen=True, array_like=True, tag=84):
    """
    A worker asks to count one more subscription of a project; the answer is a L{Done}.
    """

    project: str


class NoteSubscription(Struct, frozen=True, array_like=True, tag=85):
    """
    A worker has one more subscription of a project that has no limit.
    """

    project: str


class EndSubscription(Struct, frozen=True, array_like=True, tag=86):
    """
    A worker has one subscription of a project less.
    """

    project: str


class Borrow(Struct, frozen=True, array_like=True, tag=87):
    """
    A worker asks for tokens of a project's rate; the answer is a L{Lent}.  See
    L{aerostack.core.limits.leases.Lender.lend}.
    """

    project: str
    edition: int
    spent: Tokens
    wanted: Tokens


class Lent(Struct, frozen=True, array_like=True, tag=88):
    """
    The tokens that a worker gets; see L{aerostack.core.limits.leases.Loan}.
    """

    edition: int
    tokens: Tokens
    wait: float


class Recall(Struct, frozen=True, array_like=True, tag=89):
    """
    The hub asks a worker to give back the tokens of a project that it does not use.
    """

    project: str


class Return(Struct, frozen=True, array_like=True, tag=90):
    """
    A worker gives tokens back; see L{aerostack.core.limits.leases.Lender.giveBack}.
    """

    project: str
    edition: int
    spent: Tokens
    left: Tokens


KINDS: tuple[type[Struct], ...] = (
    Done,
    Admit,
    Enter,
    Release,
    AddSubscription,
    NoteSubscription,
    EndSubscription,
    Borrow,
    Lent,
    Recall,
    Return,
)
