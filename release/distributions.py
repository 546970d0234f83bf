"""
Builds the two distributions that are published, from one tree.

C{aerostack-rt-client} has the Python client and what it imports.  C{aerostack-rt} has everything
else, and requires the client of its own version, so that no file is in both.  In a checkout
setup.cfg has all of it in one package.

C{make wheel} runs this module.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from tempfile import TemporaryDirectory

from aerostack import __version__
from tests.layers import SOURCE, graph

ROOT = SOURCE.parent
CLIENT = "aerostack.client"

CHARTS = "web/console/node_modules/uplot"
"""The only package from npm that is shipped."""

SHARED = "share/aerostack-rt"
"""Where an installation has what stands beside the code."""

_FOLDERS = ("aerostack", "docs", "etc", "systemd", "twisted")
_FILES = (
    *("CONTRIBUTING.rst", "Containerfile", "LICENSE", "MANIFEST.in", "README.rst"),
    *("compose.yaml", "pyproject.toml", "ruff.toml"),
)
_IGNORED = shutil.ignore_patterns(
    ".*", "*.pyc", "__pycache__", "node_modules", "dropin.cache", "*.egg-info"
)


def clientFiles() -> set[str]:
    """
    The files of the client: its modules, what they import, and the packages around those.

    @return: Paths relative to the sources.
    """
    edges = graph()
    waiting = [name for name in edges if name == CLIENT or name.startswith(f"{CLIENT}.")]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += edges[name]
        if name != "aerostack":
            waiting.append(name.rpartition(".")[0])
    return {_path(name) for name in found} | {"aerostack/py.typed"}


def stageClient(folder: Path) -> None:
    """
    Write the sources of C{aerostack-rt-client}.

    @param folder: A directory that does not exist.
    """
    for name in clientFiles():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    for name in ("LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copy(ROOT / "release" / "client.rst", folder / "README.rst")
    setup = _read(ROOT / "release" / "client.cfg")
    setup["metadata"]["version"] = __version__
    _write(setup, folder)


def stageDaemon(folder: Path) -> None:
    """
    Write the sources of C{aerostack-rt}, without the client's files.

    @param folder: A directory that does not exist.
    """
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=_IGNORED)
    charts = ROOT / "aerostack" / CHARTS
    if charts.is_dir():
        shutil.copytree(charts, folder / "aerostack" / CHARTS)
    for name in _FILES:
        shutil.copy(ROOT / name, folder)
    for name in clientFiles():
        (folder / name).unlink()
    writeManual(folder / "docs" / "man")
    setup = _read(ROOT / "setup.cfg")
    setup["metadata"]["version"] = __version__
    setup["options"]["install_requires"] += f"\naerostack-rt-client[realtime]=={__version__}"
    del setup["options.package_data"]["aerostack"]
    # The package has the built pages, so their sources would be too much.
    beside = setup["options.data_files"]
    beside[f"{SHARED}/docs"] = "\ndocs/openapi.yaml"
    beside[f"{SHARED}/systemd"] = beside[f"{SHARED}/systemd"].replace("\nsystemd/README.rst", "")
    for name in (SHARED, f"{SHARED}/bench"):
        del beside[name]
    _write(setup, folder)


def writeManual(folder: Path) -> None:
    """
    Write the manual page of the command.

    @param folder: The directory for the page; it is made.
    @raise RuntimeError: Sphinx finds a mistake; the message has its output.
    """
    with TemporaryDirectory() as trees:
        options = ("--builder", "man", "--fail-on-warning", "--quiet", "-d", trees)
        _run("-m", "sphinx", *options, str(ROOT / "docs"), str(folder))


def build(folder: Path, out: Path, *kinds: str) -> None:
    """
    Build a distribution, with the packages of this environment.

    @param folder: Its sources.
    @param out: The directory for the files.
    @param kinds: C{--wheel} or C{--sdist}; both if none is given.
    @raise RuntimeError: It cannot be built; the message has the output.
    """
    _run("-m", "build", *kinds, "--no-isolation", "--outdir", str(out), str(folder))


def main() -> None:
    """
    Build both distributions, as wheels and as sources, into C{dist}.
    """
    work, out = ROOT / "build" / "distributions", ROOT / "dist"
    shutil.rmtree(work, ignore_errors=True)
    for name, stage in (("client", stageClient), ("daemon", stageDaemon)):
        stage(work / name)
        build(work / name, out)
    for path in sorted(out.glob(f"*{__version__}*")):
        print(path.relative_to(ROOT))


def _path(name: str) -> str:
    """The file of a module, relative to the sources."""
    path = Path(*name.split("."))
    package = path / "__init__.py"
    return str(package if (ROOT / package).exists() else path.with_suffix(".py"))


def _run(*arguments: str) -> None:
    """Run Python; a failure raises RuntimeError with the output."""
    done = subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}")


def _read(path: Path) -> ConfigParser:
    setup = ConfigParser(interpolation=None)
    setup.read(path)
    return setup


def _write(setup: ConfigParser, folder: Path) -> None:
    with open(folder / "setup.cfg", "w", encoding="utf-8") as file:
        setup.write(file)


if __name__ == "__main__":
    main()
