"""
What a reload changes: which settings of the new configuration hold without a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack.admin.taps import Taps
from aerostack.auth.authenticator import Authenticator
from aerostack.delivery.slices import makeCooperator
from aerostack.hub.sequencing import Sequencer
from aerostack.sessions.interfaces import Admitted
from aerostack.settings.settings import SECTIONS, Config


def merge(running: Config, read: Config) -> Config:
    """
    Take over every setting that can change while connections are open, and keep the others.

    @param running: The configuration that the daemon runs with.
    @param read: The configuration that was read again.
    """
    server = read.server
    return replace(
        running,
        tracker=replace(running.tracker, tables=read.tracker.tables),
        limits=read.limits,
        projects=read.projects,
        tables=read.tables,
        server=replace(
            running.server,
            trustedProxies=server.trustedProxies,
            restartTime=server.restartTime,
            reconnectSpread=server.reconnectSpread,
            console=server.console,
            workerMemory=server.workerMemory,
        ),
    )


def sectionsThatWait(read: Config, merged: Config) -> list[str]:
    """
    Name the sections with changed settings that take a restart.

    @param merged: What L{merge} returned.
    """
    return [name for name in (*SECTIONS, "topics") if getattr(read, name) != getattr(merged, name)]


def warnOfWaiting(read: Config, merged: Config, log: Logger) -> list[str]:
    """
    Log which changed settings take a restart; see L{sectionsThatWait}.

    @return: A sentence for each section.
    """
    sentences = [
        f"[{name}] has changed; it takes a restart" for name in sectionsThatWait(read, merged)
    ]
    for sentence in sentences:
        log.warn("{sentence}", sentence=sentence)
    return sentences


def changesRights(before: Config, after: Config) -> bool:
    """
    Whether the two configurations may allow clients different things.
    """
    return _rights(before) != _rights(after)


def _rights(config: Config) -> object:
    """The settings that decide what a client may do."""
    return config.projects, config.tables, config.tracker.tables


class LeavingProjects:
    """
    Breaks off the logs of projects that a reload took out.
    """

    def __init__(self, sequencer: Sequencer) -> None:
        """
        @param sequencer: Has the logs.
        """
        self._sequencer = sequencer
        self._leaving: Iterator[None] = iter(())

    def leave(self, projects: Collection[str]) -> Iterator[None]:
        """
        Begin to break off the logs of some projects.  What an earlier call has left to do is done
        at once: a project that is served again finds none of its logs from before.

        @return: Does the work, a piece in each step.
        """
        for _ in self._leaving:
            pass
        self._leaving = self._sequencer.leaveProjects(projects)
        return self._leaving


def reauthorizeAll(
    clock: IReactorTime,
    leaving: Iterator[None],
    authenticator: Authenticator,
    clients: Callable[[], Sequence[Admitted]],
    taps: Taps,
) -> None:
    """
    Check which clients may stay, and what each of them may still read.

    @param leaving: Breaks off the logs of the projects that are gone, a piece at a time.  This
        comes first.
    @param clients: Gives all clients that are served.
    """

    def work() -> Iterator[None]:
        yield from leaving
        for client in clients():
            client.reconsider()
            yield
        taps.reauthorize(authenticator.reauthorize)

    # All of them in one turn of the reactor would keep everything else waiting.
    makeCooperator(clock).coiterate(work())
