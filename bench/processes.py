"""
Processes of the bench: started on one processor, found with all their children, and
ended by their ids.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

SERVER_CPU = 0
LOAD_CPU = 1


def raiseLimits() -> int:
    """
    Allow this process, and what it starts, as many files as it may have.

    @return: How many these are.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def separate() -> bool:
    """
    Whether servers and the load generator get a processor each.
    """
    return {SERVER_CPU, LOAD_CPU} <= os.sched_getaffinity(0)


@contextmanager
def onProcessor(cpu: int) -> Iterator[None]:
    """
    What is started in this context runs on one processor, where there are two.
    """
    before = os.sched_getaffinity(0)
    if separate():
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def freePort() -> int:
    """
    A port of the loopback interface on which nobody listens.
    """
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Failed(Exception):
    """
    A process did not do what it was started for.  The message says what it said.
    """


class Server:
    """
    A system under test, running.

    @ivar port: Where it listens.
    """

    def __init__(
        self, command: Sequence[str | Path], port: int, log: Path, environ: Mapping[str, str]
    ) -> None:
        """
        @param log: Where its output goes.
        """
        self.port = port
        self._log = log
        with log.open("wb") as output, onProcessor(SERVER_CPU):
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={**os.environ, **environ},
            )

    def wait(self, seconds: float = 20) -> None:
        """
        Wait until it listens.

        @raise Failed: It did not.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Failed(f"it ended with {self._process.returncode}: {self.said()}")
            with suppress(OSError), closing(socket.socket()) as client:
                client.connect(("127.0.0.1", self.port))
                # What it does after it has begun to listen shall not be measured.
                time.sleep(0.5)
                return
            time.sleep(0.05)
        raise Failed(f"it did not listen within {seconds:g} s: {self.said()}")

    def said(self) -> str:
        """
        The end of what it wrote.
        """
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

    def pids(self) -> list[int]:
        """
        The ids of its process and of all that descend from it.
        """
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    parents.setdefault(int(stat[1]), []).append(int(entry.name))
        found = [self._process.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def terminate(self, seconds: float) -> float:
        """
        Ask it to end, and wait for that.

        @return: How many seconds it took.
        @raise Failed: It took longer than C{seconds}.
        """
        began = time.monotonic()
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end within {seconds:g} s: {self.said()}") from None
        return time.monotonic() - began

    def stop(self) -> None:
        """
        End it, and whatever descends from it.
        """
        pids = self.pids()
        self._process.terminate()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in pids[1:]:
            # Only a child that outlived its parent; it is ours as long as it is there.
            with suppress(OSError):
                if _parent(pid) == 1:
                    os.kill(pid, 9)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
