"""
How workers stop with the daemon.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import TimeoutError, inlineCallbacks
from twisted.internet.interfaces import IReactorTime

from aerostack.process.stopping import CLIENTS, DATABASE
from aerostack.server.passing import Passing
from aerostack.server.questions import WorkerQuestions
from aerostack.server.replacing import Replacer
from aerostack.workers.messages.serving import Clients, Finish, Refuse, SendAway
from aerostack.workers.supervisor import Supervisor

COUNTED = 1.0
"""Seconds that a worker has to say how many clients it has, when the daemon stops."""


@inlineCallbacks
def depart(
    clock: IReactorTime,
    supervisor: Supervisor,
    replacer: Replacer,
    passing: Passing,
    questions: WorkerQuestions,
) -> Any:
    """
    Have all workers refuse new clients, send their clients away, and finish what clients asked
    for.  A worker that is being replaced does so already.  The daemon kills a worker that does not
    answer.

    @param passing: The addresses that the daemon listens on; it stops with them.
    """
    begun = clock.seconds()

    def until(due: float) -> float:
        return max(begun + due - clock.seconds(), 0.0)

    supervisor.retire()
    replacer.stop()
    # A worker that is replaced sends its clients away already.
    staying = supervisor.workers.keys() - replacer.leaving
    counted = yield questions.ask(lambda _: Refuse(), COUNTED, staying)
    clients = {
        name: answer.count for name, answer in counted.items() if isinstance(answer, Clients)
    }
    # systemd keeps its sockets open: a client that connects to one waits for the next daemon.
    # A client at another address gets an answer now, which says when to come back.
    yield passing.stop(inherited=True)
    total = sum(clients.values())
    # A worker that hangs leaves the others and the database the time that they need.
    sent = yield questions.ask(
        lambda name: SendAway(total - clients.get(name, 0)), until(CLIENTS), staying
    )
    yield passing.stop(inherited=False)
    hung = {name for name, answer in sent.items() if answer is None} - clients.keys()
    ended = yield questions.ask(lambda _: Finish(), until(DATABASE), sent.keys() - hung)
    # A worker that is being replaced gets the time that the others have.
    with suppress(TimeoutError):
        yield replacer.whenOver().addTimeout(until(DATABASE), clock)
    for name, worker in supervisor.workers.items():
        if ended.get(name) is None:
            worker.kill("it did not answer")
