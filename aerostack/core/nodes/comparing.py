"""
What must be the same at all nodes, and in what two nodes differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b

from msgspec import json

from aerostack.core.nodes.reports import Description
from aerostack.settings.fields import keysOf
from aerostack.settings.settings import Config

DATABASE, PROJECTS, TABLES, SETTINGS, VERSION = (
    *("database", "projects", "tables", "settings", "version"),
)
"""The kinds of what is compared."""

SAME = (
    *("tracker.tables", "tracker.retention", "tracker.emit", "presence.grace"),
    *("history.max_age", "history.max_count"),
    *("replay.count", "replay.bytes", "replay.age", "replay.repeat_window", "replay.state_memory"),
    *("limits.message_bytes", "limits.state_bytes", "limits.topic_length", "limits.event_length"),
)
"""The settings that clients would notice if nodes had different ones."""

MOST = 5
"""How many differences of one kind a sentence names."""


def describe(config: Config, database: str, version: str) -> Description:
    """
    Describe a node.

    A description has no secrets: projects and rules are there as digests of 32 bits, which tell
    different ones apart, but do not tell what was digested.

    @param database: Distinguishes the database from every other.
    @param version: The version of the program.
    """
    return {
        DATABASE: {"": digest(database)},
        VERSION: {"": version},
        PROJECTS: {name: digest(project) for name, project in config.projects.items()},
        TABLES: {
            # The first rule that fits holds, so their order matters.
            "rules in [tables]": digest(list(config.tables.items())),
            "policies in [topics]": digest(list(config.topics.items())),
        },
        SETTINGS: dict(_settings(config)),
    }


def digest(value: object) -> str:
    """
    Eight digits that are the same for equal values.

    @param value: Plain data, or dataclasses of it.
    """
    data = json.encode(value, enc_hook=_plain, order="deterministic")
    return blake2b(data, digest_size=4).hexdigest()


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    for name in SAME:
        section, _, key = name.partition(".")
        found = getattr(config, section)
        value = getattr(found, keysOf(type(found))[key].attribute)
        yield name, json.encode(value).decode()


def differences(here: Description, there: Description) -> list[str]:
    """
    Say in what another node differs from this one.

    @return: Ends of sentences about the other node, such as C{"uses another database"}.
    """
    found = []
    if here.get(DATABASE) != there.get(DATABASE):
        found.append("uses another database")
    mine, other = (each.get(PROJECTS, {}) for each in (here, there))
    if lacking := mine.keys() - other.keys():
        found.append(f"does not serve {_named('project', lacking)}")
    if more := other.keys() - mine.keys():
        found.append(f"also serves {_named('project', more)}")
    if changed := _changed(mine, other):
        found.append(f"has other settings of {_named('project', changed)}")
    if changed := _changed(here.get(TABLES, {}), there.get(TABLES, {})):
        found.append(f"has different {' and '.join(changed)}")
    mine, other = (each.get(SETTINGS, {}) for each in (here, there))
    if changed := _changed(mine, other):
        pairs = [f"{name} = {other[name]} instead of {mine[name]}" for name in changed[:MOST]]
        found.append(f"has {_joined(pairs, len(changed))}")
    mine, other = (each.get(VERSION, {}) for each in (here, there))
    if mine != other:
        found.append(f"runs version {other.get('', 'of another kind')}")
    return found


def _changed(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """The names that both have, with different values."""
    return [name for name in here if name in there and here[name] != there[name]]


def _named(noun: str, names: Iterable[str]) -> str:
    found = sorted(names)
    return f"the {noun}{'' if len(found) == 1 else 's'} {_joined(found[:MOST], len(found))}"


def _joined(shown: Sequence[str], total: int) -> str:
    more = [f"{total - len(shown)} more"] if total > len(shown) else []
    parts = [*shown, *more]
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
