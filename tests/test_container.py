"""
Tests for C{Containerfile} and C{compose.yaml}, without a container runtime.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import psycopg
import yaml
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import COMMANDS
from aerostack.config.loader import load
from aerostack.server.service import Options
from tests.net import ROOT
from tests.postgres import ADMIN, INSTALLED, freshDatabase

INSTRUCTIONS = {
    *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL"),
    *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
}

STOP = 11
"""Seconds within which the daemon stops: docs/deploying.rst."""


def instructions() -> list[tuple[str, str]]:
    """
    The instructions of the container's file, each with its arguments.
    """
    lines = (ROOT / "Containerfile").read_text().splitlines()
    return [
        (name, rest)
        for name, _, rest in (line.partition(" ") for line in lines if line and line[0] != "#")
    ]


def seconds(text: str) -> int:
    """The seconds of a duration as compose files have them."""
    found = re.fullmatch(r"(\d+)s", text)
    assert found is not None, text
    return int(found[1])


def composed() -> dict[str, Any]:
    """The services of the compose file."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


class Parsed(Options):
    """
    The daemon's options without their effect.
    """

    def postOptions(self) -> None:
        pass


class ContainerfileTests(SynchronousTestCase):
    """
    Tests for the image.
    """

    def setUp(self) -> None:
        self.instructions = instructions()
        # The last stage is what runs.
        last = max(at for at, (name, _) in enumerate(self.instructions) if name == "FROM")
        self.final = dict(self.instructions[last:])

    def test_known(self) -> None:
        """
        Every line is one instruction, and names its arguments as JSON where it can.
        """
        self.assertEqual({name for name, _ in self.instructions}, INSTRUCTIONS)
        for name in ("ENTRYPOINT", "CMD", "VOLUME"):
            self.assertTrue(json.loads(self.final[name]), name)

    def test_user(self) -> None:
        """
        The daemon runs as a user by number, which is not root and owns the volume.
        """
        self.assertEqual(self.final["USER"], "10001:10001")
        (owner,) = [rest for name, rest in self.instructions if "install -d" in rest]
        self.assertIn(f"-o 10001 -g 10001 {json.loads(self.final['VOLUME'])[0]}", owner)

    def test_sources(self) -> None:
        """
        Every file that is copied from the sources exists, and what the package is built of is
        not left out of the context.
        """
        for name, rest in self.instructions:
            if name == "COPY" and not rest.startswith("--from"):
                *sources, _ = rest.split()
                self.assertEqual([s for s in sources if not (ROOT / s).exists()], [])
        kept = [
            line[1:]
            for line in (ROOT / ".dockerignore").read_text().splitlines()
            if line.startswith("!")
        ]
        self.assertEqual([name for name in kept if not (ROOT / name).exists()], [])
        text = (ROOT / "setup.cfg").read_text()
        named = re.findall(r"(?m)^    ((?:etc|docs|systemd)/\S+)$", text)
        named += re.findall(r"(?m)^(?:license_files = |long_description = file: )(\S+)$", text)
        self.assertGreater(len(named), 5)
        for name in (*named, "aerostack", "twisted", "setup.cfg", "pyproject.toml"):
            self.assertTrue(any(fnmatch(name, f"{k}*") for k in kept), name)

    def test_installs(self) -> None:
        """
        The image has the extras that the configurations for it need.
        """
        (pip,) = [rest for name, rest in self.instructions if "pip install" in rest]
        found = re.search(r"'/source\[([a-z,]+)\]'", pip)
        assert found is not None
        text = (ROOT / "setup.cfg").read_text()
        for extra in found[1].split(","):
            self.assertRegex(text, rf"(?m)^{extra} =$")

    def test_entry(self) -> None:
        """
        The daemon understands the arguments that it is started with, and the file that they name
        is the one that compose.yaml mounts.
        """
        entry = json.loads(self.final["ENTRYPOINT"])
        self.assertEqual(entry[0], "twistd")
        arguments = entry[entry.index("aerostack-rt") + 1 :] + json.loads(self.final["CMD"])
        options = Parsed()
        options.parseOptions(arguments)
        mounted = [volume for volume in composed()["daemon"]["volumes"] if volume[0] == "."]
        self.assertEqual([volume.split(":")[1] for volume in mounted], [options["config"]])
        health = json.loads(self.final["HEALTHCHECK"].partition("CMD ")[2])
        self.assertEqual(health[0], "aerostack-rt")
        self.assertIn(health[1], COMMANDS)


class ComposeTests(SynchronousTestCase):
    """
    Tests for the daemon beside PostgreSQL.
    """

    def setUp(self) -> None:
        self.compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
        self.daemon = self.compose["services"]["daemon"]

    def test_files(self) -> None:
        """
        Every file that is mounted exists, and every volume is declared.
        """
        for service in self.compose["services"].values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if source.startswith("./"):
                    self.assertTrue((ROOT / source).is_file(), source)
                else:
                    self.assertIn(source, self.compose["volumes"])
        self.assertTrue(os.access(ROOT / "etc" / "container" / "role.sh", os.X_OK))

    def test_stop(self) -> None:
        """
        The daemon gets the time that its stop takes.
        """
        self.assertGreater(seconds(self.daemon["stop_grace_period"]), STOP)
        self.assertEqual(dict(instructions())["STOPSIGNAL"], "SIGTERM")

    def test_health(self) -> None:
        """
        Compose asks for the daemon's health as the image does.
        """
        shown = dict(instructions())["HEALTHCHECK"]
        kind, *command = self.daemon["healthcheck"]["test"]
        self.assertEqual(kind, "CMD")
        self.assertEqual(json.loads(shown.partition("CMD ")[2]), command)
        for name in ("interval", "timeout", "start_period"):
            self.assertIn(f"--{name.replace('_', '-')}={self.daemon['healthcheck'][name]}", shown)

    def test_config(self) -> None:
        """
        The configuration loads with what compose.yaml gives the daemon: the password, a volume
        for the keys, and the port.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        text = (ROOT / "etc" / "container" / "rt.toml").read_text()
        (_, mounted), *_ = [volume.split(":") for volume in self.daemon["volumes"]]
        self.assertEqual(text.count(f'"{mounted}/keys/'), 2)
        path = folder / "rt.toml"
        path.write_text(text.replace(mounted, str(folder)))
        environ = {name: f"p4ssword of {name:>32}" for name in self.daemon["environment"]}
        config = load(path, environ, generate=True)
        self.assertEqual(config.database.password, environ["DAEMON_PASSWORD"])
        self.assertEqual(config.warnings, ())
        self.assertFalse(config.projects["app"].anonymous)
        self.assertEqual((folder / "keys" / "app.secret").stat().st_mode & 0o777, 0o600)
        (port,) = self.daemon["ports"]
        address, _, inner = port.rpartition(":")
        self.assertEqual(config.server.listen, (f"tcp:{inner}",))
        self.assertTrue(address.startswith("127.0.0.1:"))

    def test_role(self) -> None:
        """
        The script for a new database makes the role that the configuration names, which is no
        superuser and can make its schema.
        """
        database = freshDatabase(self)
        server = database.server
        psql = INSTALLED / "pginstall" / "bin" / "psql"
        path = os.pathsep.join((str(psql.parent), os.environ["PATH"]))
        environ = {
            "PATH": path,
            "PGHOST": str(server.directory),
            "PGPORT": str(server.port),
            "POSTGRES_USER": ADMIN,
            "POSTGRES_DB": database.name,
            "DAEMON_PASSWORD": "it's a password",
        }
        drop = ("DROP OWNED BY aerostack", "DROP ROLE aerostack")
        self.addCleanup(database.execute, *drop, user=ADMIN)
        script = ROOT / "etc" / "container" / "role.sh"
        assert shutil.which("psql", path=path)
        done = subprocess.run(
            ["sh", str(script)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        with psycopg.connect(
            host=environ["PGHOST"],
            port=server.port,
            dbname=database.name,
            user="aerostack",
            password="it's a password",
            autocommit=True,
        ) as connection:
            connection.execute("CREATE SCHEMA _aerostack")
            found = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            self.assertEqual(found.fetchall(), [(False,)])
