"""
Virtual environments for tests, which are filled without the network.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


class Environment:
    """
    A new virtual environment.

    @ivar folder: Its directory.
    @ivar python: Its interpreter.
    @ivar packages: The directory of its packages.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.folder = folder
        self.python = str(folder / "bin" / "python")
        self.packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))

    def call(self, *command: str) -> str:
        """
        Run a program in the environment's directory, without what the tests' own environment
        adds.

        @return: Its output.
        @raise AssertionError: It failed; the message has its output.
        """
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LISTEN_"))}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def install(self, *wheels: Path) -> None:
        """
        Install wheels, without what they require.
        """
        self.call(
            *(sys.executable, "-m", "pip", "--python", self.python, "install"),
            *("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"),
            *("--no-warn-conflicts", "--root-user-action=ignore"),
            *map(str, wheels),
        )

    def link(self, distributions: Iterable[Distribution]) -> None:
        """
        Let the environment have distributions that the tests' own environment has.
        """
        for each in distributions:
            for top in {file.parts[0] for file in each.files or ()} - {"..", "__pycache__"}:
                target = self.packages / top
                if not target.exists():
                    target.symlink_to(Path(str(each.locate_file(top))))


def required(requirements: Iterable[str], extras: Iterable[str] = ()) -> dict[str, Distribution]:
    """
    Find what pip would install for requirements, among what is installed here.

    @param requirements: The requirements of a distribution.
    @param extras: The extras of that distribution that are asked for.
    @return: The distributions by their normalized names.
    """
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(text), tuple(extras) or ("",)) for text in requirements]
    while waiting:
        requirement, wanted = waiting.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in wanted):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found:
            continue
        found[name] = distribution(name)
        own = tuple(requirement.extras) or ("",)
        waiting += [(Requirement(text), own) for text in found[name].requires or ()]
    return found
