"""
The rate of a project that several processes share.

One process lends the project's tokens, and the others borrow them in advance, so that each frame
is judged at once where it comes.  The lender counts what is lent and not spent as if it were still
in the bucket: so all processes together have one rate and one burst.

A borrower that has no tokens may owe one lease for a moment, until the lender answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from aerostack.core.limits.quotas import BURST, resize
from aerostack.core.limits.rates import TokenBucket
from aerostack.core.limits.settling import Buckets, Spending
from aerostack.settings.projects import ProjectConfig

H = TypeVar("H")
"""What stands for a borrower; it can be a key of a dictionary."""

LEASE = 0.1
"""For how many seconds of the rate a borrower gets tokens when the bucket is nearly empty."""

PACE = 0.01
"""The seconds between two questions of a borrower that does not get enough."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """
    Tokens of both kinds.

    @ivar frames: How many frames may be sent with them.
    @ivar bytes: How many bytes.
    """

    frames: float
    bytes: float


NONE = Tokens(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Loan:
    """
    What a lender answers.

    @ivar edition: Counts the configurations of the lender.  What a borrower spent of an earlier
        edition's tokens does not count.
    @ivar tokens: The tokens that the borrower gets.
    @ivar wait: The seconds until it can get what it asked for; 0 if it has got enough.
    """

    edition: int
    tokens: Tokens
    wait: float


class _Pool(Generic[H]):
    """
    The tokens of one kind, and what each borrower has of them.

    @ivar bucket: All tokens, also those that are lent and not spent.
    """

    __slots__ = ("bucket", "lent")

    def __init__(self, rate: float, now: float) -> None:
        self.bucket = TokenBucket(rate, rate * BURST, now)
        # Below 0 the borrower owes.
        self.lent: dict[H, float] = {}

    def spend(self, holder: H, amount: float, now: float) -> None:
        # What came back before counts first: what is beyond the burst is gone.
        self.bucket.wait(now)
        self.bucket.tokens -= amount
        self.lent[holder] = self.lent.get(holder, 0.0) - amount

    def lend(self, holder: H, wanted: float, holders: int, now: float) -> tuple[float, float]:
        """
        @return: How many tokens the borrower gets, and the seconds that it has to wait for the
            rest of what it wants.
        """
        bucket = self.bucket
        bucket.wait(now)
        held = self.lent.get(holder, 0.0)
        free = bucket.tokens - sum(self.lent.values())
        wanted = min(wanted, bucket.burst)
        # While the bucket is full, everyone has a part at hand.
        most = max(wanted, bucket.rate * LEASE, bucket.tokens / holders)
        given = max(0.0, min(free, most - held))
        self.lent[holder] = held + given
        short = wanted - held - given
        return given, max(0.0, short - min(0.0, free)) / bucket.rate

    def holders(self, but: H) -> list[H]:
        return [holder for holder, held in self.lent.items() if held > 0 and holder != but]


_Pools = tuple[_Pool[H] | None, _Pool[H] | None]


class Lender(Generic[H]):
    """
    Lends the tokens of all projects.

    @ivar spending: Takes what projects spend; L{None} if there are no other nodes.
    """

    spending: Spending | None = None

    def __init__(self, projects: Mapping[str, ProjectConfig]) -> None:
        self._edition = 0
        self._part = 1.0
        # By project, the pool of frames and that of bytes; L{None} for no limit.
        self._pools: dict[str, tuple[_Pool[H] | None, _Pool[H] | None]] = {}
        # When borrowers were last asked to give back, by project.
        self._recalled: dict[str, float] = {}
        self.reload(projects)

    def reload(self, projects: Mapping[str, ProjectConfig]) -> None:
        """
        Lend by these rates from now on.  Every bucket begins full.
        """
        self._projects = projects
        self._edition += 1
        self._pools.clear()
        self._recalled.clear()

    def lend(
        self,
        project: str,
        holder: H,
        edition: int,
        spent: Tokens,
        wanted: Tokens,
        holders: int,
        now: float,
    ) -> tuple[Loan, tuple[H, ...]]:
        """
        Lend a borrower more tokens.

        @param edition: That of the borrower's newest loan; 0 if it has had none.
        @param spent: What it has spent since it last said so.
        @param wanted: How many tokens it must have, at the least.
        @param holders: How many borrowers there are.
        @param now: The clock's time, seconds.
        @return: The loan, and the other borrowers that are to give back what they do not use.
        """
        pools = self._poolsOf(project, now)
        given, waits = [], [0.0]
        others: dict[H, None] = {}
        uses, needs = (spent.frames, spent.bytes), (wanted.frames, wanted.bytes)
        for pool, used, amount in zip(pools, uses, needs, strict=True):
            if pool is None:
                given.append(0.0)
                continue
            if edition in (0, self._edition):
                pool.spend(holder, used, now)
            got, wait = pool.lend(holder, amount, holders, now)
            given.append(got)
            waits.append(wait)
            if wait:
                others.update(dict.fromkeys(pool.holders(holder)))
        if edition in (0, self._edition):
            self._note(project, pools, spent)
        wait = max(waits)
        if others and now - self._recalled.get(project, -LEASE) >= LEASE:
            self._recalled[project] = now
            # What the others give back is here very soon.
            return Loan(self._edition, Tokens(*given), min(wait, PACE)), tuple(others)
        return Loan(self._edition, Tokens(*given), wait), ()

    def giveBack(
        self, project: str, holder: H, edition: int, spent: Tokens, left: Tokens, now: float
    ) -> None:
        """
        Take back what a borrower has not spent.

        @param spent: What it has spent since it last said so.
        @param left: What it gives back.
        @param now: The clock's time, seconds.
        """
        pools = self._pools.get(project)
        if pools is None or edition != self._edition:
            return
        uses, rest = (spent.frames, spent.bytes), (left.frames, left.bytes)
        for pool, used, amount in zip(pools, uses, rest, strict=True):
            if pool is not None:
                pool.spend(holder, used, now)
                pool.lent[holder] -= amount
        self._note(project, pools, spent)

    def _note(self, project: str, pools: _Pools[H], spent: Tokens) -> None:
        if self.spending is not None and pools != (None, None):
            self.spending.note(project, spent.frames, spent.bytes)

    def buckets(self, project: str) -> Buckets:
        """
        The buckets of a project's rates, with the tokens that are lent and not spent.
        """
        frames, size = self._pools.get(project, (None, None))
        return (None if frames is None else frames.bucket, None if size is None else size.bucket)

    def divide(self, part: float, now: float) -> None:
        """
        Lend by a part of each rate from now on.

        @param now: The clock's time, seconds.
        """
        self._part = part
        for project in self._pools:
            found = self._projects.get(project)
            if found is not None:
                resize(self.buckets(project), found, part, now)

    def forget(self, holder: H) -> None:
        """
        Take back everything from a borrower that is gone.
        """
        for pools in self._pools.values():
            for pool in pools:
                if pool is not None:
                    pool.lent.pop(holder, None)

    def _poolsOf(self, project: str, now: float) -> tuple[_Pool[H] | None, _Pool[H] | None]:
        pools = self._pools.get(project)
        if pools is None:
            found = self._projects.get(project)
            rates = (None, None) if found is None else (found.framesPerSecond, found.bytesPerSecond)
            frames, size = (
                None if rate is None else _Pool[H](rate * self._part, now) for rate in rates
            )
            pools = self._pools[project] = frames, size
        return pools


class _Purse:
    """
    The tokens of one kind that a borrower has.

    @ivar rate: How many come back each second, to all borrowers together.
    @ivar tokens: What it has; below 0 it owes.
    @ivar spent: What it has spent since it last said so.
    @ivar had: What it had after the lender's newest answer.
    """

    __slots__ = ("burst", "had", "lease", "rate", "spent", "tokens")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.burst = rate * BURST
        # The smallest lease is one frame.
        self.lease = max(1.0, rate * LEASE)
        self.tokens = 0.0
        self.spent = 0.0
        self.had = 0.0

    def has(self, amount: float, owing: bool) -> bool:
        return self.tokens + (self.lease if owing else 0.0) >= min(amount, self.burst)

    def take(self, amount: float) -> None:
        self.tokens -= amount
        self.spent += amount


class Borrower:
    """
    A project's tokens at one process.

    The process takes what L{ask} gives to the lender, and the answer to L{answered}.
    """

    def __init__(self, frames: float | None, bytes: float | None) -> None:
        """
        @param frames: How many frames the project may send each second; L{None} for no limit.
        @param bytes: How many bytes; L{None} for no limit.
        """
        self._frames = None if frames is None else _Purse(frames)
        self._bytes = None if bytes is None else _Purse(bytes)
        self._purses = [each for each in (self._frames, self._bytes) if each is not None]
        self._edition = 0
        self._asking = False
        # Whether no frame was taken yet.
        self._isNew = True
        # What a refused frame needs, and what the lender was asked for.
        self._wanted = self._asked = NONE
        # When the lender has more, and when it is asked again at the earliest.
        self._until = self._next = 0.0

    def __str__(self) -> str:
        """The limits, as a refusal names them."""
        named = ((self._frames, "frames"), (self._bytes, "bytes"))
        parts = [f"{purse.rate:.15g} {what}" for purse, what in named if purse is not None]
        return f"{' and '.join(parts)} a second"

    def take(self, now: float, size: int) -> float:
        """
        Take one frame.

        @param size: Its bytes.
        @return: 0 if the tokens for it were there, else the seconds until they may be.
        """
        frames, bytes = self._frames, self._bytes
        owing = now >= self._until
        # The first frame may be larger than what the lender gives before it is asked for more.
        if (frames is not None and not frames.has(1.0, owing)) or (
            bytes is not None and not self._isNew and not bytes.has(size, owing)
        ):
            self._wanted = Tokens(1.0, max(float(size), self._wanted.bytes))
            return max(self._until - now, PACE)
        self._isNew = False
        if frames is not None:
            frames.take(1.0)
        if bytes is not None:
            bytes.take(size)
        return 0.0

    def ask(self, now: float) -> tuple[int, Tokens, Tokens] | None:
        """
        Find out whether to ask the lender now.  Until L{answered} is called there is no other
        question.

        @return: L{None} for no; else what L{Lender.lend} takes: the edition, what was spent, and
            what is wanted.
        """
        if self._asking or now < self._next:
            return None
        isLow = any(purse.tokens <= purse.had / 2 for purse in self._purses)
        if not isLow and self._wanted is NONE:
            return None
        self._asking = True
        self._asked, self._wanted = self._wanted, NONE
        return self._edition, self._report(), self._asked

    def again(self, now: float) -> float | None:
        """
        Find out when to call L{ask} again, if no frame comes before.

        @return: Seconds; L{None} if it need not be called.
        """
        return None if self._asking or self._wanted is NONE else max(0.0, self._next - now)

    def answered(self, loan: Loan, now: float) -> None:
        """
        Take what the lender has lent.
        """
        self._asking = False
        if self._edition not in (0, loan.edition):
            # What was lent by an earlier configuration is not worth anything.
            for purse in self._purses:
                purse.tokens = purse.spent = 0.0
        self._edition = loan.edition
        if self._frames is not None:
            self._frames.tokens += loan.tokens.frames
        if self._bytes is not None:
            self._bytes.tokens += loan.tokens.bytes
        for purse in self._purses:
            purse.had = max(purse.tokens, 0.0)
        self._until = now + loan.wait
        if loan.wait and self._wanted is NONE:
            self._wanted = self._asked
        isShort = loan.wait or any(purse.tokens < purse.lease / 2 for purse in self._purses)
        self._next = now + max(PACE, min(loan.wait, LEASE)) if isShort else now

    def failed(self, now: float) -> None:
        """
        Note that the lender has not answered.
        """
        self._asking = False
        self._next = now + LEASE

    def giveBack(self) -> tuple[int, Tokens, Tokens]:
        """
        Give back what is not spent.

        @return: What L{Lender.giveBack} takes: the edition, what was spent, and what is left.
        """
        spent = self._report()
        left = Tokens(*(_left(purse) for purse in (self._frames, self._bytes)))
        for purse in self._purses:
            purse.had = 0.0
        return self._edition, spent, left

    def _report(self) -> Tokens:
        spent = Tokens(*(0.0 if p is None else p.spent for p in (self._frames, self._bytes)))
        for purse in self._purses:
            purse.spent = 0.0
        return spent


def _left(purse: _Purse | None) -> float:
    if purse is None or purse.tokens <= 0:
        return 0.0
    left, purse.tokens = purse.tokens, 0.0
    return left
