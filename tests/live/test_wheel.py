"""
The wheel that C{python -m build} builds, installed.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

from twisted.trial.unittest import SynchronousTestCase

from aerostack import __version__
from tests.net import ROOT

NOT_SHIPPED = (
    ".*",
    "_trial_temp*",
    "*.egg-info",
    "__pycache__",
    "build",
    "dist",
    "var",
)

CHARTS = "aerostack/web/console/node_modules/uplot"
"""The dependencies, which are installed beside the sources."""

CHART_FILES = ("LICENSE", "dist/uPlot.esm.js", "dist/uPlot.min.css")

TWISTD = "from twisted.scripts.twistd import run; run()"


class WheelTests(SynchronousTestCase):
    """
    Builds a wheel of a copy of the sources, without the network, and installs it in an environment
    that has only the dependencies.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        source = self.directory / "source"
        ignored = shutil.ignore_patterns(*NOT_SHIPPED, "node_modules")
        shutil.copytree(ROOT, source, ignore=ignored)
        shutil.copytree(ROOT / CHARTS, source / CHARTS)
        self.call(sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source))
        (self.wheel,) = (source / "dist").glob("*.whl")
        # The test must not use the sources.
        shutil.rmtree(source / "aerostack")

    def call(self, *command: str) -> str:
        """
        Run a program, in a directory outside of the sources.

        @return: Its output.
        """
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LISTEN_"))}
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_wheel(self) -> None:
        """
        The wheel contains only what the daemon needs.  Where it is installed, C{twistd} has the
        plugin of the daemon, and the command line works.
        """
        names = ZipFile(self.wheel).namelist()
        for needed in (
            "aerostack/web/home/index.html",
            "aerostack/py.typed",
            "aerostack/databases/sqlite/triggers.py",
        ):
            self.assertIn(needed, names)
        tops = {name.partition("/")[0] for name in names}
        self.assertEqual(tops, {"aerostack", "twisted", f"aerostack_rt-{__version__}.dist-info"})
        (plugin,) = [name for name in names if name.startswith("twisted/")]
        self.assertRegex(plugin, r"^twisted/plugins/\w+\.py$")
        self.assertFalse([name for name in names if name.startswith("twisted/__init__")])
        sources = {
            str(path.relative_to(ROOT))
            for path in (ROOT / "aerostack").rglob("*")
            if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
        }
        sources = {path for path in sources if "/node_modules/" not in path}
        sources |= {f"{CHARTS}/{name}" for name in CHART_FILES}
        self.assertEqual({name for name in names if name.startswith("aerostack/")}, sources)

        python = self.install()
        self.assertIn("aerostack-rt", self.call(python, "-c", TWISTD, "--help"))
        found = self.call(python, "-c", "import aerostack; print(aerostack.__file__)")
        self.assertTrue(found.startswith(str(self.directory / "installed")), found)
        code = "from aerostack.net.http.files import exampleFiles; print(*exampleFiles('p'))"
        served = self.call(python, "-c", code).split()
        for name in ("shared.js", "examples.css", "orders/", "orders/app.js", "orders/server.py"):
            self.assertIn(f"examples/{name}", served)
        config = self.directory / "rt.toml"
        shutil.copy(ROOT / "etc" / "rt.toml", config)
        check = [python, "-c", TWISTD, "aerostack-rt", "--config", str(config), "--check"]
        self.assertEqual(self.call(*check), f"{config} is in order.\n")
        command = str(Path(python).with_name("aerostack-rt"))
        self.assertEqual(self.call(command, "--version"), f"aerostack-rt {__version__}\n")

    def install(self) -> str:
        """
        Install the wheel.

        @return: The Python of the environment.
        """
        where = self.directory / "installed"
        venv.create(where, with_pip=False, symlinks=True)
        python = str(where / "bin" / "python")
        scheme = sysconfig.get_path("purelib", "venv", {"base": str(where)})
        # The dependencies; Python does not process .pth files there.
        packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        packages |= {path for path in site.getsitepackages() if Path(path).is_dir()}
        Path(scheme, "dependencies.pth").write_text("\n".join(sorted(packages)))
        pip = [sys.executable, "-m", "pip", "--python", python, "install"]
        self.call(
            *pip,
            *("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"),
            *("--no-warn-conflicts", "--root-user-action=ignore"),
            str(self.wheel),
        )
        return python
