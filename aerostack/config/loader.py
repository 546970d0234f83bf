"""
Reads the configuration file.

The daemon takes a configuration without mistakes, or refuses it and reports every mistake at once.
L{aerostack.settings.settings} describes each setting and its allowed values.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aerostack.config.advice import advise
from aerostack.config.credentials import Credentials
from aerostack.config.database import DatabaseReader
from aerostack.config.engine import EngineReader
from aerostack.config.listening import checkListen
from aerostack.config.models import ModelReader
from aerostack.config.problems import ConfigError, Problem, Problems
from aerostack.config.projects import ProjectReader
from aerostack.config.sections import SectionReader
from aerostack.config.urls import faultOf
from aerostack.settings.fields import keysOf
from aerostack.settings.files import readFile
from aerostack.settings.kinds import describe
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.listen import parseDescription
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import FORMER_NAMES, SECTIONS, Config, ServerConfig, TopicConfig

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def load(
    path: str | os.PathLike[str],
    environ: Mapping[str, str] = os.environ,
    generate: bool = False,
    check: bool = False,
) -> Config:
    """
    Read and check a configuration.

    @param environ: The environment, for C{{ env = ... }} and C{{ credential = ... }}.
    @param generate: Whether to make the keys that have C{generate = true} and no file yet.
        Without it nothing is written, and such a key is L{None} in the result.
    @param check: Whether this is only to check the file, perhaps outside of the daemon's unit.  A
        credential of the unit that this program cannot read is then a warning, and L{None} in the
        result.
    @raise ConfigError: There are mistakes; no key was made.
    """
    path = Path(path).absolute()
    reader = _Reader(path, environ, check)
    config = reader.read(parse(path))
    if config is None or reader.problems.found:
        raise ConfigError(reader.problems.found)
    if generate and reader.credentials.pending:
        reader.credentials.generate()
        # The new keys are read and checked like those that were there.
        return load(path, environ, generate)
    return config


def parse(path: Path) -> dict[str, Any]:
    """
    Read a file as TOML.

    @raise ConfigError: It cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(readFile(path)[0].decode())
    except PermissionError as error:
        message = f"cannot be read: {error.strerror}; run this as root or as the daemon's user"
    except OSError as error:
        message = f"cannot be read: {error.strerror}; name the file with --config"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"is no UTF-8 text (at line {line})"
    except ValueError as error:
        # Mostly a TOMLDecodeError; a number of too many digits raises a plain ValueError.
        message = f"is no valid TOML: {error}"
    except RecursionError:
        message = "is nested too deeply"
    raise ConfigError([Problem(str(path), message)])


class _Reader:
    """
    Reads one parsed file, and notes what is wrong with it.

    @ivar problems: Every mistake found so far.
    @ivar credentials: The credentials found so far.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], check: bool = False) -> None:
        self.problems = Problems()
        checked = path if check else None
        self.credentials = Credentials(self.problems, path.parent, environ, checked)
        self._path = path
        self._warnings: list[str] = []
        self._sections = SectionReader(self.problems)
        self._database = DatabaseReader(self.problems, self.credentials, path.parent)
        self._engine = EngineReader(self.problems, self.credentials, path.parent)
        self._models = ModelReader(self.problems, self._sections, self.credentials)
        self._projects = ProjectReader(self.problems, self._sections, self.credentials, path.parent)

    def read(self, document: dict[str, Any]) -> Config | None:
        """
        @return: The configuration, or L{None} if a required setting is missing.  It may be run
            only if there are no problems.
        """
        formerly = self._formerly(document)
        self._sections.refuseUnknown(
            {key: table for key, table in document.items() if key not in formerly.values()},
            [*SECTIONS, "topics", "tables", "projects"],
            "",
        )
        sections: dict[str, Any] = {}
        for name, cls in SECTIONS.items():
            written = formerly.get(name, name)
            table = document.get(written, {})
            if not isinstance(table, dict):
                self.problems.add(written, f"is {describe(table)}; allowed is a table, [{written}]")
                continue
            values = self._sections.read(cls, table, written)
            if values is not None:
                sections[name] = values
        if "server" in sections:
            self._listen(sections["server"])
            self._name(sections["server"]["name"])
        if "database" in sections:
            self._database.read(sections["database"])
        if "engine" in sections:
            self._engine.read(sections["engine"], sections.get("database"))
        if "tracing" in sections:
            self._tracing(sections["tracing"]["endpoint"])
        if "limits" in sections:
            self._limits(LimitsConfig(**sections["limits"]))
        topics = self._sections.readPatterned(TopicConfig, document.get("topics", {}), "topics")
        if "limits" in sections:
            self._rewinds(topics, sections["limits"]["rewind"])
        self._keyed(topics)
        tables = self._projects.readRules(document.get("tables", {}), "tables")
        projects = self._projects.read(document.get("projects", {}))
        if "ai" in sections:
            models = self._models.read(sections["ai"]["models"] or {})
            sections["ai"]["models"] = models
            self._models.checkProjects(projects, models)
        if sections.get("server", {}).get("examples"):
            self._examples(projects)
        if len(sections) < len(SECTIONS):
            return None
        built = {name: cls(**sections[name]) for name, cls in SECTIONS.items()}
        self._warnings += [
            f"[{former}] is the former name of [{name}]; rename the section in the file"
            for name, former in formerly.items()
        ]
        config = Config(path=self._path, projects=projects, topics=topics, tables=tables, **built)
        self._warnings += [
            f"{dotted}: {reason}; it is not checked"
            for dotted, reason in self.credentials.unread.items()
        ]
        advice = () if self.problems.found else advise(config)
        return replace(config, warnings=(*self._warnings, *advice))

    def _formerly(self, document: dict[str, Any]) -> dict[str, str]:
        """
        Find the sections of a file that have the names of earlier versions.

        @return: The former name of each, by its name.
        """
        found = {name: former for name, former in FORMER_NAMES.items() if former in document}
        for name, former in found.items():
            if name in document:
                self.problems.add(
                    former, f"is the former name of [{name}], which is there as well; remove one"
                )
        return found

    def _tracing(self, endpoint: str | None) -> None:
        if endpoint is None:
            return
        fault = faultOf(endpoint, "leave it out")
        if fault is None and not _hasOpenTelemetry():
            fault = (
                "is set, but opentelemetry is not installed; run: pip install 'aerostack-rt[otel]'"
            )
        if fault is not None:
            self.problems.add("tracing.endpoint", fault)

    def _listen(self, server: dict[str, Any]) -> None:
        for text in server["listen"]:
            try:
                found = checkListen(parseDescription(text), self._path.parent)
            except ValueError as error:
                self.problems.add("server.listen", str(error))
            else:
                self._warnings += [f"server.listen: {sentence}" for sentence in found]

    def _name(self, name: str | None) -> None:
        if name is not None and not _NAME.fullmatch(name):
            allowed = keysOf(ServerConfig)["name"].kind.allowed()
            self.problems.add("server.name", f"is {name!r}; allowed is {allowed}")

    def _limits(self, limits: LimitsConfig) -> None:
        frame = limits.frameBytes
        for name, value in (
            ("message_bytes", limits.messageBytes),
            ("state_bytes", limits.stateBytes),
        ):
            key = f"limits.{name}"
            if value > frame and not self.problems.has(key, "limits.frame_bytes"):
                self.problems.add(
                    key, f"is {value}; allowed is at most limits.frame_bytes, {frame}"
                )
        key = "limits.outbox_bytes"
        if limits.outboxBytes < 2 * frame and not self.problems.has(key, "limits.frame_bytes"):
            self.problems.add(
                key,
                f"is {limits.outboxBytes}; allowed is at least twice limits.frame_bytes,"
                f" {2 * frame}",
            )

    def _rewinds(self, topics: Mapping[str, TopicConfig], most: int) -> None:
        for pattern, topic in topics.items():
            key = f"topics.'{pattern}'.rewind"
            if topic.rewind > most and not self.problems.has(key, "limits.rewind"):
                self.problems.add(
                    key, f"is {topic.rewind}; allowed is at most limits.rewind, {most}"
                )

    def _keyed(self, topics: Mapping[str, TopicConfig]) -> None:
        for pattern, topic in topics.items():
            key = f"topics.'{pattern}'"
            if topic.keyed and topic.compact:
                self.problems.add(
                    f"{key}.compact",
                    "is true, but no publication on a keyed topic replaces others; allowed is that"
                    " without keyed",
                )
            if topic.keyed and topic.rewind:
                self.problems.add(
                    f"{key}.rewind",
                    f"is {topic.rewind}, but a keyed topic begins with its values; allowed is that"
                    " without keyed",
                )
            if topic.ttl is not None and not topic.keyed:
                self.problems.add(
                    f"{key}.ttl",
                    f"is {topic.ttl:g}, but the topics have no values; allowed is that with keyed ="
                    " true",
                )

    def _examples(self, projects: Mapping[str, ProjectConfig]) -> None:
        project = next((each for each in projects.values() if each.anonymous), None)
        if project is None:
            self.problems.add(
                "server.examples",
                "is true, but no project lets their pages in; allowed is that with"
                " projects.<id>.anonymous = true",
            )
        elif not (len(projects) == 1 if project.dbQuery is None else project.dbQuery):
            self.problems.add(
                "server.examples",
                "is true, but they may not ask the database; allowed is that with"
                f" projects.{project.id}.db_query = true",
            )


def _hasOpenTelemetry() -> bool:
    """Whether the packages of the extra C{otel} are installed."""
    # Asking for a module below one that is missing is an error.
    parts = ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter")
    return all(find_spec(part) is not None for part in parts)
