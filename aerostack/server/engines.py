"""
Opens the engine that the configuration names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from aerostack.core.replay.log import Depth
from aerostack.core.replay.publications import Publication
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.engine.valkey.address import ValkeyAddress, parseAddress
from aerostack.interfaces.messaging import IHistory
from aerostack.server.listening import StartError
from aerostack.settings.settings import Config, EngineConfig

if TYPE_CHECKING:
    from aerostack.engine.valkey.service import ValkeyEngine


def addressOf(engine: EngineConfig) -> ValkeyAddress | None:
    """
    The address of the server, with the passwords; L{None} if the daemon is alone.
    """
    if engine.url is None:
        return None
    address = replace(parseAddress(engine.url), sentinelPassword=engine.sentinelPassword)
    return address if engine.password is None else address.withPassword(engine.password)


def openEngine(
    reactor: Any,
    config: Config,
    history: IHistory,
    depthOf: Callable[[str], Depth],
    run: str,
    now: Callable[[], int],
    name: str,
    policyOf: Callable[[str], KeyedPolicy | None],
    readKept: Callable[[str], Deferred[list[Publication]]],
) -> ValkeyEngine | None:
    """
    Make the engine.  It connects when it is started.

    @param depthOf: Tells how much a topic's log holds.
    @param run: The id of this run.
    @param now: The time of day, milliseconds since the epoch.
    @param name: This node's name.
    @param policyOf: Gives what holds for the values of a canonical topic.
    @param readKept: Reads the kept values of a canonical topic, the oldest first.
    @return: L{None} if the daemon is alone.
    @raise StartError: The file of the authorities cannot be used; the message says why.
    """
    engine, address = config.engine, addressOf(config.engine)
    if address is None:
        return None
    # The driver is not in every installation; the configuration was refused without it.
    from aerostack.engine.valkey.service import ValkeyEngine

    try:
        return ValkeyEngine(
            reactor,
            address,
            engine.prefix,
            engine.patience,
            history,
            depthOf,
            run,
            config.replay.repeatWindow,
            now,
            config.presence.grace,
            name,
            policyOf,
            readKept,
            config.replay.stateMemory,
        )
    except (OSError, ValueError) as error:
        raise StartError(f"engine.url cannot be used: {error}") from None
