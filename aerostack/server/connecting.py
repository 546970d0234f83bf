"""
Connects once to what a configuration names, for an operator who checks it.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import create_connection
from threading import Thread
from urllib.parse import urlsplit

from aerostack.databases.backend import Unusable
from aerostack.databases.open import openBackend
from aerostack.server.engines import addressOf
from aerostack.server.findings import Finding, Level
from aerostack.settings.settings import Config, DatabaseConfig, EngineConfig
from aerostack.tracker.newer import COMMAND

PATIENCE = 20.0
"""For how many seconds all of them together may let the check wait."""

_SERVER = 5.0
"""For how many seconds such a server may let a connection wait."""

Question = Callable[[], Iterable[Finding]]


def connect(config: Config, patience: float = PATIENCE) -> Iterator[Finding]:
    """
    Connect to the database, to the engine, and to the servers of models and of key sets, to all at
    the same time.
    This blocks, and changes nothing.

    @param patience: Seconds until what has not answered counts as unreachable.
    """
    questions: dict[str, Question] = {
        "database.url": lambda: askDatabase(config.database, config.path),
        "engine.url": lambda: askEngine(config.engine),
    }
    for name, model in (config.ai.models or {}).items():
        key = f"ai.models.{name}.url"
        questions[key] = lambda key=key, url=model.url: askServer(key, url)  # type: ignore[misc]
    for project in config.projects.values():
        url = None if project.jwt is None else project.jwt.jwksUrl
        if url is not None:
            key = f"projects.{project.id}.jwt.jwks_url"
            questions[key] = lambda key=key, url=url: askServer(key, url)  # type: ignore[misc]
    return askAll(questions, patience)


def askAll(questions: dict[str, Question], patience: float) -> Iterator[Finding]:
    """
    Ask several questions at the same time.

    @param questions: By the dotted keys that they are about.
    """
    answers: SimpleQueue[tuple[str, list[Finding]]] = SimpleQueue()
    for key, question in questions.items():
        # A name server or a disk may take any time, and the process must end all the same.
        Thread(
            target=lambda key=key, ask=question: answers.put((key, list(ask()))), daemon=True
        ).start()
    found: dict[str, list[Finding]] = {}
    until = time.monotonic() + patience
    while len(found) < len(questions):
        try:
            key, findings = answers.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            break
        found[key] = findings
    for key in questions:
        late = Finding(Level.ERROR, f"{key}: has not answered for {patience:g} seconds")
        yield from found.get(key, [late])


def askDatabase(config: DatabaseConfig, path: Path) -> Iterator[Finding]:
    """
    Open the database, and look whether this version of the daemon may use it.

    @param path: The file of the configuration.
    """
    if config.path is not None and not os.path.exists(config.path):
        yield Finding(
            Level.NOTE, f"database.url: {config.url} is not there yet; the daemon makes it"
        )
        return
    try:
        newer = openBackend(config).look()
    except Unusable as error:
        yield Finding(Level.ERROR, f"database.url: {config.url} cannot be used: {error}")
        return
    yield Finding(Level.NOTE, f"database.url: {config.url} answers")
    if newer is not None:
        yield Finding(
            Level.ERROR,
            f"database.url: {config.url} {newer.fault}: {newer}; run that version, or let it take"
            f" its journal out: {COMMAND} --config {path}",
        )


def askEngine(config: EngineConfig) -> Iterator[Finding]:
    """
    Log in to the engine, if there is one.
    """
    address = addressOf(config)
    if address is None:
        return
    # The driver is not in every installation; the configuration was refused without it.
    from aerostack.engine.valkey.probe import ProbeError, probe

    try:
        found = probe(address)
    except ProbeError as error:
        yield Finding(Level.ERROR, f"engine.url: {error}")
        return
    yield Finding(Level.NOTE, f"engine.url: {found.host} answers, with {found.name}")
    for warning in found.warnings:
        yield Finding(Level.WARNING, f"engine.url: {warning}")


def askServer(key: str, url: str) -> Iterator[Finding]:
    """
    Connect to the server of a model or of a key set, without a request: one to a model may cost
    money.

    @param key: The dotted key of its URL.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None, "the configuration was refused"
    secure = parts.scheme == "https"
    host, port = parts.hostname, parts.port or (443 if secure else 80)
    try:
        with create_connection((host, port), _SERVER) as line:
            if secure:
                ssl.create_default_context().wrap_socket(line, server_hostname=host).close()
    except OSError as error:
        yield Finding(Level.ERROR, f"{key}: {host}:{port} cannot be reached: {error}")
    else:
        yield Finding(Level.NOTE, f"{key}: {host}:{port} answers")
