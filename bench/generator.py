"""
The load generator: compiled on this machine, and run against one server.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes import LOAD_CPU, Failed, Server, onProcessor

SOURCE = Path(__file__).with_name("load")


class Generator:
    """
    The program C{load}.

    @ivar tls: Whether it was built with OpenSSL.
    """

    def __init__(self, cache: Path) -> None:
        """
        Compile it.

        @raise Failed: The compilation failed.
        """
        self._program = cache / "load"
        self.tls = True
        sources = [str(path) for path in sorted(SOURCE.glob("*.c"))]
        command = ["cc", "-O2", "-o", str(self._program), *sources]
        try:
            if _run([*command, "-DTLS", "-lssl", "-lcrypto"], 120).returncode:
                self.tls = False
                built = _run(command, 120)
                if built.returncode:
                    raise Failed(f"cc: {built.stderr.strip()}")
        except FileNotFoundError:
            raise Failed("cc is missing; on Debian: apt install gcc libc6-dev libssl-dev") from None

    def drive(
        self,
        server: Server,
        dialect: str,
        credentials: str | None,
        scene: Sequence[object],
        *,
        limit: int = 120,
        tls: bool = False,
        **settings: object,
    ) -> Any:
        """
        Run one scene against a server.

        @param credentials: The subprotocols to offer.
        @param scene: Its name and arguments.
        @param limit: Seconds after which it is ended.
        @return: Its results.
        @raise Failed: It did not finish.
        """
        options: dict[str, object] = {
            "dialect": dialect,
            "port": server.port,
            "pids": ",".join(map(str, server.pids())),
            "limit": limit,
            **settings,
        }
        if credentials:
            options["key"] = credentials
        command = [str(self._program)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        command += ["--tls"] if tls else []
        try:
            with onProcessor(LOAD_CPU):
                done = _run([*command, *map(str, scene)], limit + 10)
        except subprocess.TimeoutExpired:
            raise Failed(f"the load took more than {limit} s") from None
        if done.returncode == -signal.SIGALRM:
            raise Failed(f"the load took more than {limit} s")
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [
                f"the load ended with {done.returncode}"
            ]
            raise Failed(said[0])
        return json.loads(done.stdout)


def _run(command: Sequence[str], limit: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
