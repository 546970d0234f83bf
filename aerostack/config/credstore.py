"""
The credentials of the daemon's unit, as programs outside the unit find them.

systemd gives a unit its credentials in C{$CREDENTIALS_DIRECTORY}, which no other program has.
While the unit runs, root finds the same files under C{/run/credentials}.  When it does not run, the
credential stores have them under the names that the shipped units give them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_RUNNING = Path("/run/credentials")

# The directories that LoadCredential= looks through (systemd.exec(5)).
_STORES = ("/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore")

PREFIX = "aerostack-rt."
"""What the names in the stores begin with, in the shipped units."""


class NotFound(ValueError):
    """
    This program cannot read a credential of the unit; the message says where it looked.
    """


def unitOf(config: Path) -> str:
    """
    The unit that runs on a configuration, as the shipped units name their configurations.
    """
    return f"aerostack-rt{'' if config.stem == 'rt' else f'@{config.stem}'}.service"


def placesOf(name: str, config: Path) -> Iterator[Path]:
    """
    Where a credential may be for a program outside the unit, the best place first.

    @param name: Its name in the unit.
    @param config: The path of the configuration.
    """
    yield _RUNNING / unitOf(config) / name
    for store in _STORES:
        yield Path(store) / f"{PREFIX}{name}"


def locate(
    source: Any,
    config: Path,
    environ: Mapping[str, str],
    readable: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK),
) -> Any:
    """
    Find the file of a credential that the configuration names.

    @param source: What the configuration has for a credential.
    @param config: The path of the configuration.
    @return: The same, but C{{ file = ... }} for C{{ credential = ... }} outside of the unit.
    @raise NotFound: This program can read none of the places.
    """
    if not isinstance(source, Mapping) or "credential" not in source:
        return source
    name = source["credential"]
    wellFormed = isinstance(name, str) and name not in ("", ".", "..") and "/" not in name
    if environ.get("CREDENTIALS_DIRECTORY") or len(source) > 1 or not wellFormed:
        # The loader reads it, or says what is wrong with it.
        return source
    places = list(placesOf(name, config))
    for place in places:
        if readable(place):
            return {"file": str(place)}
    raise NotFound(
        f"is the credential {name} of {unitOf(config)}, and this user can read neither {places[0]}"
        f" nor {places[1]}"
    )
