"""
Connects once to the database and to the engine, for an operator who checks a configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from aerostack.databases.backend import Unusable
from aerostack.databases.open import openBackend
from aerostack.server.engines import addressOf
from aerostack.settings.settings import Config


class Unreachable(Exception):
    """
    The database or the engine cannot be used; the message says why.
    """


def connectOnce(config: Config) -> Iterator[str]:
    """
    Connect to the database and, if there is one, to the engine.  This blocks, and changes nothing.

    @return: A sentence for each thing that was found.
    @raise Unreachable: One of them cannot be used.
    """
    database = config.database
    if database.path is not None and not database.path.exists():
        yield f"database.url: {database.url} is not there yet; the daemon makes it"
    else:
        try:
            openBackend(database).ask(lambda cursor, dialect: None)
        except Unusable as error:
            raise Unreachable(f"database.url: {database.url} cannot be used: {error}") from None
        yield f"database.url: {database.url} answers"
    address = addressOf(config.engine)
    if address is None:
        return
    # The driver is not in every installation; the configuration was refused without it.
    from aerostack.engine.valkey.probe import ProbeError, probe

    try:
        found = probe(address)
    except ProbeError as error:
        raise Unreachable(f"engine.url: {error}") from None
    yield f"engine.url: {found.host} answers, with {found.name}"
    for warning in found.warnings:
        yield f"engine.url: {warning}"
