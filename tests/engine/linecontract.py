"""
What every line between nodes promises.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface.verify import verifyObject

from aerostack.core.access.removals import Disconnect, Revocation
from aerostack.errors import RealtimeError
from aerostack.interfaces.line import ILine

DISCONNECT = Disconnect("p", "ann", 4100, "r\xe9ason")
REVOCATION = Revocation("p", "ann", None, 5, 1_000_000_000_000, "")

LONG = 600.0
"""Seconds in which every process answers, however slow the machine is."""


class LineContract:
    """
    What every line promises, to be mixed into a test case.

    @ivar heard: What each process has received: its name, and the order.
    @ivar answers: By the names of the processes, what each of them answers: a number, a L{Deferred}
        or an exception; 1 for those that are not there.
    """

    # What the test case brings.
    assertEqual: Any
    flushLoggedErrors: Any

    heard: list[tuple[str, Any]]
    answers: dict[str, Any]

    async def lines(self) -> dict[str, ILine]:
        """
        Make a line of each process, by the name under which its answers come.  L{receive} takes
        what comes to it.
        """
        raise NotImplementedError

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Wait until something is true.
        """
        raise NotImplementedError

    async def passed(self, seconds: float) -> None:
        """
        Let time pass.
        """
        raise NotImplementedError

    def receive(self, name: str, what: Any) -> Any:
        """
        Take an order at a process.
        """
        self.heard.append((name, what))
        answer = self.answers.get(name, 1)
        if isinstance(answer, Exception):
            return fail(answer)
        return answer if isinstance(answer, Deferred) else succeed(answer)

    async def begin(self) -> dict[str, ILine]:
        """
        Begin a test.
        """
        self.heard, self.answers = [], {}
        return await self.lines()

    async def answer(self, asked: Deferred[Any]) -> Any:
        """
        Wait for the answers.
        """
        found: list[Any] = []
        asked.addBoth(found.append)
        await self.until(lambda: found)
        return found[0]

    async def test_contract(self) -> None:
        """The line has the methods of the contract."""
        for line in (await self.begin()).values():
            verifyObject(ILine, line)

    async def test_everyProcess(self) -> None:
        """What one process asks comes to all as it is, and each answer comes under its name."""
        lines = await self.begin()
        self.answers = {name: number for number, name in enumerate(lines)}
        for name, line in lines.items():
            for what in (DISCONNECT, REVOCATION):
                self.heard.clear()
                found = await self.answer(line.ask(what, LONG))
                self.assertEqual(found, {each: number for number, each in enumerate(lines)}, name)
                self.assertEqual(sorted(self.heard), [(each, what) for each in sorted(lines)])

    async def test_told(self) -> None:
        """A message to all comes to every process once."""
        lines = await self.begin()
        for line in lines.values():
            self.heard.clear()
            line.tell(REVOCATION)
            await self.until(lambda: len(self.heard) >= len(lines))
            self.assertEqual(sorted(self.heard), [(name, REVOCATION) for name in sorted(lines)])

    async def test_missing(self) -> None:
        """A process that fails, refuses or is late has no answer; the others have theirs."""
        lines = await self.begin()
        name = next(reversed(lines))
        line = next(iter(lines.values()))
        rest = {each: 1 for each in lines if each != name}
        self.answers[name] = RealtimeError("overloaded", "There is no room.")
        self.assertEqual(await self.answer(line.ask(REVOCATION, LONG)), {**rest, name: None})
        self.answers[name] = ZeroDivisionError()
        self.assertEqual(await self.answer(line.ask(REVOCATION, LONG)), {**rest, name: None})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        found, seconds = {}, 0.5
        while found != {**rest, name: None} and seconds < LONG:
            # On a slow machine the others are late, too, unless they have more time.
            self.answers[name] = late = Deferred()
            asked = line.ask(REVOCATION, seconds)
            await self.passed(seconds)
            found = await self.answer(asked)
            self.assertEqual(found[name], None)
            # It has answered too late.
            late.callback(7)
            seconds *= 2
        self.assertEqual(found, {**rest, name: None})

    async def test_many(self) -> None:
        """Answers to several questions at a time are not mixed up."""
        lines = await self.begin()
        first, last = next(iter(lines)), next(reversed(lines))
        late: list[Deferred[int]] = []

        def receive(name: str, what: Any) -> Any:
            if name == last:
                late.append(Deferred())
                return late[-1]
            return succeed(0)

        self.receive = receive  # type: ignore[method-assign]
        found: dict[int, Any] = {}
        for asked in range(20):
            lines[first].ask(DISCONNECT, LONG).addCallback(partial(found.__setitem__, asked))
        await self.until(lambda: len(late) == 20)
        for number in reversed(range(20)):
            late[number].callback(number)
        await self.until(lambda: len(found) == 20)
        self.assertEqual(
            {asked: each[last] for asked, each in found.items()}, {each: each for each in range(20)}
        )
