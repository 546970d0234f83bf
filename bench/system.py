"""
What every system under test has, and how its programs are found and run.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from certificate import Certificate


class NotInstalled(Exception):
    """
    A system cannot be installed here.  The message says why.
    """


class System:
    """
    One system under test.

    @cvar name: Its name on the command line.
    @cvar label: Its name in tables.
    @cvar dialect: The protocol that the load generator uses.
    @cvar credentials: The subprotocols that clients offer.
    @cvar producing: The subprotocols that producers of token streams offer; C{None} if it has no
        token streams.
    @cvar keeps: What an acknowledgement guarantees for a publication; empty if there is none.
    @cvar resumes: Whether a client can resume.
    @cvar bound: The bytes that may wait for one client that does not read; C{None} if there is no
        bound.
    @cvar scenes: The only scenes for this system; C{None} for all.
    """

    name: str
    label: str
    dialect: str
    credentials: str | None = None
    producing: str | None = None
    keeps = ""
    resumes = False
    bound: int | None = None
    scenes: Sequence[str] | None = None

    def __init__(self, cache: Path) -> None:
        """
        @param cache: The directory for the installation.
        """
        self.cache = cache

    def install(self) -> str:
        """
        Install the system.

        @return: The versions.
        @raise NotInstalled: That is not possible.
        """
        raise NotImplementedError

    def command(
        self, directory: Path, port: int, certificate: Certificate | None
    ) -> Sequence[str | Path]:
        """
        Return the command that starts it.

        @param directory: An empty directory for its files.
        @param certificate: For TLS; L{None} for plain TCP.
        """
        raise NotImplementedError

    def environ(self) -> Mapping[str, str]:
        """
        Return the variables that it needs in its environment.
        """
        return {}

    def longestTurn(self, port: int, since: float, until: float) -> float | None:
        """
        Ask it how late its event loop was.

        @param port: The port on which it listens.
        @param since: When the time in question began, seconds since the epoch.
        @param until: When that time ended.
        @return: Milliseconds, at worst; L{None} if it does not say.
        """
        return None


def address(port: int, certificate: Certificate | None) -> list[str | Path]:
    """
    Return the arguments of the servers under C{peers/}.
    """
    return [str(port), *([certificate.key, certificate.chain] if certificate else [])]


def need(*programs: str) -> None:
    """
    Check that programs are installed.

    @raise NotInstalled: One is not.
    """
    for program in programs:
        if shutil.which(program) is None:
            raise NotInstalled(f"{program} is not installed")


def call(command: Sequence[str], directory: Path, limit: float = 300) -> str:
    """
    Run a program of the installation to its end.

    @return: Its output.
    @raise NotInstalled: It failed.
    """
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{command[0]} took more than {limit:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotInstalled(f"{' '.join(command[:3])}: {said[-1] if said else done.returncode}")
    return done.stdout.strip()
