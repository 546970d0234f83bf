"""
Asks a server once what an operator should know before a daemon runs.  This blocks, and is no part
of a running daemon.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import hiredis

from aerostack.engine.valkey.address import Host, ValkeyAddress

TIMEOUT = 5.0
"""For how many seconds a server may let a question wait."""


class ProbeError(Exception):
    """
    The server could not be asked.
    """


@dataclass(frozen=True)
class Probed:
    """
    What a server says of itself.

    @ivar host: The server, which is the master if there are Sentinels.
    @ivar name: Its name and version.
    @ivar warnings: What the operator should change in its settings, one sentence each.
    """

    host: Host
    name: str
    warnings: tuple[str, ...]


def probe(address: ValkeyAddress) -> Probed:
    """
    Connect to the server, log in, and ask.

    @raise ProbeError: It cannot be reached, or refuses; the message says which server and why.
    """
    host = address.hosts[0] if address.master is None else _findMaster(address, address.master)
    with _connected(address, host) as ask:
        _login(ask, address.username, address.password)
        ask("SELECT", address.database)
        info = _parse(ask("INFO"))
    if info.get("role") != "master":
        raise ProbeError(f"{host}: is no master; its role is {info.get('role', 'not known')}")
    version = info.get("valkey_version") or info.get("redis_version", "of a version not known")
    name = "Valkey" if "valkey_version" in info else "Redis"
    return Probed(host, f"{name} {version}", tuple(_warnings(info)))


def _warnings(info: dict[str, str]) -> Iterator[str]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield (
            f"maxmemory-policy is {policy}: a server without memory drops logs while clients follow"
            " them; set it to noeviction"
        )
    if info.get("aof_enabled") != "1":
        yield (
            "appendonly is no: when the server restarts, events are lost, and clients get a gap;"
            " set it to yes"
        )


def _findMaster(address: ValkeyAddress, name: str) -> Host:
    """Ask the Sentinels, one after the other, for the master."""
    failures = []
    for host in address.hosts:
        try:
            with _connected(address, host) as ask:
                _login(ask, None, address.sentinelPassword)
                answer = ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        except ProbeError as error:
            failures.append(str(error))
            continue
        if isinstance(answer, list) and len(answer) == 2:
            return Host(answer[0].decode(), int(answer[1]))
        failures.append(f"{host}: knows no master {name!r}")
    raise ProbeError("; ".join(failures))


def _login(ask: Callable[..., Any], username: str | None, password: str | None) -> None:
    """
    Log in, and find out whether the server answers.

    @param username: L{None} for the server's default user.
    """
    if password is None:
        ask("PING")
    else:
        ask("AUTH", username or "default", password)


@contextmanager
def _connected(address: ValkeyAddress, host: Host) -> Iterator[Any]:
    """
    Connect to a server.

    @return: A function that sends a command, and gives the answer.
    """
    try:
        with closing(socket.create_connection((host.name, host.port), TIMEOUT)) as plain:
            line = plain
            if address.secure:
                trusted = ssl.create_default_context(cafile=address.authorities)
                line = trusted.wrap_socket(plain, server_hostname=host.name)
            reader = hiredis.Reader(notEnoughData=Ellipsis)

            def ask(*command: Any) -> Any:
                line.sendall(hiredis.pack_command(command))
                while (reply := reader.gets()) is Ellipsis:
                    data = line.recv(65536)
                    if not data:
                        raise ProbeError(f"{host}: has closed the connection")
                    reader.feed(data)
                if isinstance(reply, hiredis.ReplyError):
                    raise ProbeError(f"{host}: refuses the daemon: {reply}")
                return reply

            yield ask
    except (OSError, hiredis.ProtocolError) as error:
        raise ProbeError(f"{host}: cannot be asked: {error}") from None


def _parse(info: bytes) -> dict[str, str]:
    """The fields of the answer to INFO."""
    lines = info.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
