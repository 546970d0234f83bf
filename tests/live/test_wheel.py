"""
The wheels that are published, installed.
"""

from __future__ import annotations

import re
import shutil
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

from twisted.trial.unittest import SynchronousTestCase

from aerostack import __version__
from release.distributions import build, stageClient, stageDaemon
from tests.live.environments import Environment, required
from tests.net import ROOT

CHARTS = "aerostack/web/console/node_modules/uplot"
"""The dependencies, which are installed beside the sources."""

CHART_FILES = ("LICENSE", "dist/uPlot.esm.js", "dist/uPlot.min.css")

SHARED = {
    *(f"aerostack-rt/etc/{name}.toml" for name in ("rt", "rt.example", "rt.nodes")),
    *(f"aerostack-rt/systemd/{path.name}" for path in (ROOT / "systemd").glob("aerostack-rt*")),
    *(f"aerostack-rt/etc/monitoring/{path.name}" for path in (ROOT / "etc/monitoring").iterdir()),
    "aerostack-rt/docs/openapi.yaml",
    "man/man1/aerostack-rt.1",
}
"""What is installed under C{share}."""

TWISTD = "from twisted.scripts.twistd import run; run()"


class WheelTests(SynchronousTestCase):
    """
    Builds the wheels of the daemon and of the client, without the network, and installs them in an
    environment that has only what they require.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.assertTrue((ROOT / CHARTS).is_dir(), "run `make test`, which fetches the charts")
        dist = self.directory / "dist"
        for name, stage in (("client", stageClient), ("daemon", stageDaemon)):
            stage(self.directory / name)
            build(self.directory / name, dist, "--wheel")
            # The test must not use the sources.
            shutil.rmtree(self.directory / name)
        self.client, self.daemon = (
            next(dist.glob(f"{name}-*.whl")) for name in ("aerostack_rt_client", "aerostack_rt")
        )

    def test_wheel(self) -> None:
        """
        The wheels contain every file once, and nothing else.  Where they are installed, C{twistd}
        has the plugin of the daemon, and the command line works.
        """
        names = ZipFile(self.daemon).namelist()
        client = set(ZipFile(self.client).namelist())
        self.assertEqual(client & set(names), set())
        for needed in (
            "aerostack/web/home/index.html",
            "aerostack/databases/sqlite/triggers.py",
        ):
            self.assertIn(needed, names)
        for needed in ("aerostack/py.typed", "aerostack/client/blocking.py"):
            self.assertIn(needed, client)
        tops = {name.partition("/")[0] for name in names}
        data = f"aerostack_rt-{__version__}.data"
        self.assertEqual(
            tops, {"aerostack", "twisted", data, f"aerostack_rt-{__version__}.dist-info"}
        )
        self.assertEqual(
            {name.removeprefix(f"{data}/data/share/") for name in names if name.startswith(data)},
            SHARED,
        )
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
        shipped = client.union(names)
        self.assertEqual({name for name in shipped if name.startswith("aerostack/")}, sources)

        installed = Environment(self.directory / "installed")
        metadata = message_from_bytes(
            ZipFile(self.daemon).read(f"aerostack_rt-{__version__}.dist-info/METADATA")
        )
        requires = metadata.get_all("Requires-Dist", [])
        self.assertIn(f"aerostack-rt-client[realtime]=={__version__}", requires)
        installed.link(
            required(name for name in requires if not name.startswith("aerostack")).values()
        )
        installed.install(self.client, self.daemon)
        python = installed.python
        self.assertIn("aerostack-rt", installed.call(python, "-c", TWISTD, "--help"))
        found = installed.call(python, "-c", "import aerostack; print(aerostack.__file__)")
        self.assertTrue(found.startswith(str(self.directory / "installed")), found)
        code = "from aerostack.net.http.files import exampleFiles; print(*exampleFiles('p'))"
        served = installed.call(python, "-c", code).split()
        for name in ("shared.js", "examples.css", "orders/", "orders/app.js", "orders/server.py"):
            self.assertIn(f"examples/{name}", served)
        config = self.directory / "rt.toml"
        shutil.copy(ROOT / "etc" / "rt.toml", config)
        check = [python, "-c", TWISTD, "aerostack-rt", "--config", str(config), "--check"]
        self.assertIn(f"{config} is in order.\n", installed.call(*check))
        command = str(Path(python).with_name("aerostack-rt"))
        self.assertEqual(installed.call(command, "--version"), f"aerostack-rt {__version__}\n")
        server = self.directory / "server"
        url = f"sqlite:///{self.directory}/rt.db"
        said = installed.call(command, "init", "--server", "--database", url, str(server))
        self.assertIn("systemctl enable --now", said)
        unit = (server / "aerostack-rt.service").read_text()
        self.assertIn(f"ExecStart={self.directory}/installed/bin/twistd", unit)
        found = re.findall(
            r"# The configuration of a server. (\S+)", (server / "rt.toml").read_text()
        )
        self.assertEqual([Path(path).is_file() for path in found], [True])
