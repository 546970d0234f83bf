"""
Processes of the benchmarks: started on one processor, found with all their children, and ended by
their ids.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

SERVER_CPU = 0
LOAD_CPU = 1


def raiseLimits() -> int:
    """
    Allow this process, and its children, as many files as possible.

    @return: The number of files.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def separate() -> bool:
    """
    Return whether servers and the load generator each get a processor.
    """
    return {SERVER_CPU, LOAD_CPU} <= os.sched_getaffinity(0)


@contextmanager
def onProcessor(cpu: int) -> Iterator[None]:
    """
    Run processes that are started in this context on one processor, if there are two.
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
    Return a free port of the loopback interface.
    """
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Failed(Exception):
    """
    A process failed.  The message has its output.
    """


class Server:
    """
    A running system under test.

    @ivar port: The port on which it listens.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        log: Path,
        environ: Mapping[str, str],
        alone: bool = True,
    ) -> None:
        """
        @param log: The file for its output.
        @param alone: Whether it runs on one processor, without the load generator.
        """
        self.port = port
        self._log = log
        place = onProcessor(SERVER_CPU) if alone else nullcontext()
        with log.open("wb") as output, place:
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
                # The measurement must not include what it does right after it has begun to listen.
                time.sleep(0.5)
                return
            time.sleep(0.05)
        raise Failed(f"it did not listen within {seconds:g} s: {self.said()}")

    def waitFor(self, text: str, seconds: float = 60) -> None:
        """
        Wait until it says something.

        @raise Failed: It did not.
        """
        deadline = time.monotonic() + seconds
        while text not in self.output():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"it has not said {text!r}: {self.said()}")
            time.sleep(0.05)

    def output(self) -> str:
        """
        Return all of its output.
        """
        return self._log.read_text(errors="replace")

    def said(self) -> str:
        """
        Return the end of its output.
        """
        lines = self.output().strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

    def pids(self) -> list[int]:
        """
        Return the ids of its process and of all descendants.
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

        @return: The seconds that it took.
        @raise Failed: It took longer than C{seconds}.
        """
        began = time.monotonic()
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end within {seconds:g} s: {self.said()}") from None
        return time.monotonic() - began

    def running(self) -> bool:
        """
        Return whether its process has not ended.
        """
        return self._process.poll() is None

    def kill(self) -> None:
        """
        End its process as a crash does, and leave its descendants alone.
        """
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """
        End it and all of its descendants.
        """
        pids = self.pids()
        self._process.terminate()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in pids[1:]:
            # A child that outlived its parent; its id is valid as long as it exists.
            with suppress(OSError):
                if _parent(pid) == 1:
                    os.kill(pid, 9)


def spentBy(pid: int) -> float:
    """
    Return the processor seconds that a process has used.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
