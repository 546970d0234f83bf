"""
Tests of the files in L{aerostack.web}, with Node.js.

C{unit} has tests in JavaScript, of plain code with a fake clock and a fake daemon.
C{package.json} lists the packages that the tests need; C{make test} installs them first.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from aerostack.net.http.files import clientPackage
from tests.net import ROOT

HERE = Path(__file__).parent
CLIENT = ROOT / "aerostack" / "web" / "client"
CONSOLE = ROOT / "aerostack" / "web" / "console"
HOME = ROOT / "aerostack" / "web" / "home"
SHARED = ROOT / "aerostack" / "web" / "shared"
EXAMPLES = ROOT / "aerostack" / "web" / "examples"
MODULES = HERE / "node_modules"

COMPILER = {
    "noEmit": True,
    "allowJs": True,
    "checkJs": True,
    # The compiler infers most types of code without annotations.
    "strict": False,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "lib": ["es2022", "dom", "dom.iterable", "dom.asynciterable"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "target": "es2022",
    "types": [],
}
"""The options of the TypeScript compiler for the files that the daemon serves."""


def program(name: str) -> str:
    """
    Return the path of a program that runs JavaScript, or is written in it.
    """
    own = MODULES / ".bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    assert found, f"there is no {name}; run `make test`, which fetches what the tests need"
    return found


def run(*command: str, folder: Path, input: str = "") -> str:
    """
    Run one of these programs.

    @param input: What it reads.
    @return: Its output.
    @raise AssertionError: The program failed; the message has its output.
    """
    name, *arguments = command
    done = subprocess.run(
        [program(name), *arguments],
        cwd=folder,
        input=input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def checkTypes(folder: Path, files: list[str]) -> None:
    """
    Check JavaScript files with the TypeScript compiler, by its own rules and their JSDoc types.

    @param folder: The working directory.
    @raise AssertionError: The compiler found errors; the message has its output.
    """
    config = {"compilerOptions": COMPILER, "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    run("tsc", "--project", ".", folder=folder)


class Workshop:
    """
    A directory like that of an application.  It has the client as an npm package, as the daemon
    serves it, and everything that the tests need.

    @ivar folder: The directory.
    """

    def __init__(self, folder: Path, files: Mapping[str, str] | Iterable[Path] = ()) -> None:
        """
        @param folder: Where to create the directory.
        @param files: The application's files: contents by name, or paths to copy.
        """
        self.folder = folder
        modules = folder / "node_modules"
        modules.mkdir(parents=True)
        (folder / "package.json").write_text('{"type": "module"}')
        for module in MODULES.iterdir():
            (modules / module.name).symlink_to(module)
        with tarfile.open(fileobj=io.BytesIO(clientPackage())) as archive:
            # Debian's Python 3.11 has no filters yet.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder)
        (folder / "package").rename(modules / "aerostack-rt")
        if isinstance(files, Mapping):
            for name, text in files.items():
                (folder / name).write_text(text)
        else:
            for path in files:
                shutil.copy(path, folder)

    @property
    def package(self) -> Path:
        """The directory in which the package is installed."""
        return self.folder / "node_modules" / "aerostack-rt"

    def check(self, *names: str, **options: object) -> None:
        """
        Check files with the TypeScript compiler, without output files.

        @param options: Further options of the compiler.
        """
        config = {
            "compilerOptions": {
                "strict": True,
                "noEmit": True,
                "allowJs": True,
                "checkJs": True,
                "jsx": "react-jsx",
                "lib": ["es2022", "dom", "dom.iterable"],
                "module": "nodenext",
                "target": "es2022",
                "types": [],
                **options,
            },
            "files": names,
        }
        (self.folder / "tsconfig.json").write_text(json.dumps(config))
        run("tsc", "--project", ".", folder=self.folder)

    def bundle(self, name: str) -> bytes:
        """
        Bundle a file and all of its imports into one script for a page.
        """
        options = ["--bundle", "--format=esm", "--jsx=automatic", "--log-level=warning"]
        development = '--define:process.env.NODE_ENV="development"'
        run("esbuild", name, *options, development, "--outfile=bundle.js", folder=self.folder)
        return (self.folder / "bundle.js").read_bytes()
