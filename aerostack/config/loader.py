"""
Reads the configuration file.

A configuration is either right or refused, and a refusal tells every mistake at
once.  What each setting is and may be stands in L{aerostack.settings.settings}.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from aerostack.config.keys import checkAPIKey, checkTokenKey, readKeySet
from aerostack.config.secrets import Pending, resolve, suggest, within
from aerostack.core.access.rowrules import parseRows
from aerostack.settings.conninfo import SCHEMES
from aerostack.settings.fields import Key, keysOf
from aerostack.settings.kinds import Secret, describe
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.listen import Description, parseDescription
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.settings.settings import (
    SECTIONS,
    SQLITE,
    Config,
    DatabaseConfig,
    TopicConfig,
)
from aerostack.settings.tables import TableConfig

T = TypeVar("T")

# sun_path holds 108 bytes, the last of which is NUL: unix(7).
_UNIX_PATH = 107
_PROJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXAMPLES: dict[type, str] = {TopicConfig: "cursors/*", TableConfig: "shop_*"}


@dataclass(frozen=True)
class Problem:
    """
    One mistake in a configuration.

    @ivar key: The dotted key, or the file's path where it is no key's.
    @ivar message: What was found and what is allowed.  Never shows a credential.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class ConfigError(Exception):
    """
    A configuration that cannot be run.

    @ivar problems: Every L{Problem} of it.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def load(
    path: str | os.PathLike[str],
    environ: Mapping[str, str] = os.environ,
    generate: bool = False,
) -> Config:
    """
    Read and check a configuration.

    @param environ: Where C{{ env = ... }} and C{{ credential = ... }} look.
    @param generate: Whether to make the keys that are to be made at the first
        start.  Without it nothing is written, and such a key is L{None} in what
        is returned.
    @raise ConfigError: There are mistakes; nothing was made.
    """
    path = Path(path).absolute()
    reader = _Reader(path, environ)
    config = reader.read(_parse(path))
    if config is None or reader.problems:
        raise ConfigError(reader.problems)
    if generate and reader.pending:
        reader.generate()
        # What was made is read and checked as what was there.
        return load(path, environ, generate)
    return config


def _parse(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        message = f"cannot be read: {error.strerror}; name the file with --config"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"is no UTF-8 text (at line {line})"
    except ValueError as error:
        # Mostly a TOMLDecodeError, but a number of too many digits is none.
        message = f"is no valid TOML: {error}"
    except RecursionError:
        message = "is nested too deeply"
    raise ConfigError([Problem(str(path), message)])


class _Reader:
    """
    Reads one parsed file, and gathers what is wrong with it.

    @ivar problems: Every mistake found so far.
    @ivar pending: The keys that have yet to be made, by their dotted keys.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.pending: dict[str, Pending] = {}
        self._path = path
        self._base = path.parent
        self._environ = environ
        # Every credential of which there may be only one, and where it was seen first.
        self._seen: dict[str | Path, str] = {}

    def read(self, document: dict[str, Any]) -> Config | None:
        """
        @return: The configuration, or L{None} if something that it cannot do
            without is missing.  It may be run only if there are no L{problems}.
        """
        self._refuseUnknown(document, [*SECTIONS, "topics", "tables", "projects"], "")
        sections: dict[str, Any] = {}
        for name, cls in SECTIONS.items():
            table = document.get(name, {})
            if not isinstance(table, dict):
                self._problem(name, f"is {describe(table)}; allowed is a table, [{name}]")
                continue
            values = self._table(cls, table, name)
            if values is not None:
                sections[name] = values
        if "server" in sections:
            self._listen(sections["server"])
        if "database" in sections:
            self._database(sections["database"])
        if "limits" in sections:
            self._limits(LimitsConfig(**sections["limits"]))
        topics = self._patterned(TopicConfig, document.get("topics", {}), "topics")
        tables = self._rules(document.get("tables", {}), "tables")
        projects = self._projects(document.get("projects", {}))
        if sections.get("server", {}).get("examples"):
            self._examples(projects)
        if len(sections) < len(SECTIONS):
            return None
        built = {name: cls(**sections[name]) for name, cls in SECTIONS.items()}
        return Config(path=self._path, projects=projects, topics=topics, tables=tables, **built)

    def generate(self) -> None:
        """
        Make the keys that have yet to be made.

        @raise ConfigError: One of them could not be made.
        """
        for dotted, pending in self.pending.items():
            try:
                pending.generate()
            except FileExistsError:
                # Another process was faster; its key is as good as ours.
                continue
            except OSError as error:
                message = f"cannot be made ({error.strerror}): {pending.path}"
                raise ConfigError([Problem(dotted, message)]) from error

    def _problem(self, key: str, message: str) -> None:
        self.problems.append(Problem(key, message))

    def _faulty(self, *keys: str) -> bool:
        return any(problem.key in keys for problem in self.problems)

    def _refuseUnknown(self, table: dict[str, Any], known: list[str], prefix: str) -> None:
        for name in table:
            if name not in known:
                where = f"in [{prefix}]" if prefix else "at the top"
                hint = suggest(name, known) or f"; allowed {where}: {', '.join(known)}"
                dotted = f"{prefix}.{name}" if prefix else name
                self._problem(dotted, f"is an unknown key{hint}")

    def _table(self, cls: type, table: dict[str, Any], prefix: str) -> dict[str, Any] | None:
        """
        Read one table's values, by attribute.

        @return: L{None} if one without a default is missing or wrong.
        """
        keys = keysOf(cls)
        self._refuseUnknown(table, list(keys), prefix)
        values: dict[str, Any] = {}
        complete = True
        for name, key in keys.items():
            dotted = f"{prefix}.{name}"
            try:
                values[key.attribute] = self._value(key, table)
            except ValueError as error:
                self._problem(dotted, f"{error}; allowed is {key.kind.allowed()}")
                if key.required:
                    complete = False
                else:
                    values[key.attribute] = key.default
        return values if complete else None

    def _value(self, key: Key, table: dict[str, Any]) -> Any:
        if key.name in table:
            try:
                return key.kind.read(table[key.name])
            except ValueError as error:
                raise ValueError(f"is {error}") from None
        if key.required:
            raise ValueError("is missing")
        return key.default

    def _listen(self, server: dict[str, Any]) -> None:
        for text in server["listen"]:
            try:
                self._checkListen(parseDescription(text))
            except ValueError as error:
                self._problem("server.listen", str(error))

    def _checkListen(self, description: Description) -> None:
        """
        Check what only the file system can tell of an endpoint string.

        @raise ValueError: A file cannot be read, or a path cannot be a socket's.
        """
        for name in ("privateKey", "certKey", "extraCertChain"):
            if name in description.options:
                path = within(self._base, description.options[name])
                try:
                    path.open("rb").close()
                except OSError as error:
                    raise ValueError(
                        f"{description.text}: {name} cannot be read ({error.strerror}): {path}"
                    ) from None
        if description.kind == "unix":
            path = within(self._base, description.options["address"])
            if len(os.fsencode(path)) > _UNIX_PATH:
                raise ValueError(
                    f"{description.text}: a socket's path has at most {_UNIX_PATH} bytes: {path}"
                )

    def _database(self, database: dict[str, Any]) -> None:
        url = database["url"]
        # A URL may hold a password, so it is never shown.
        try:
            if url.startswith(SCHEMES):
                self._postgres(database)
            else:
                database["url"] = self._sqlite(url)
                if database["password"] is not None:
                    self._problem("database.password", "is set, but SQLite has none")
        except ValueError as error:
            self._problem("database.url", f"{error}; allowed is {self._urls()}")

    def _sqlite(self, url: str) -> str:
        """
        @return: The URL with an absolute path.
        @raise ValueError: It is no SQLite file's.
        """
        path = url.removeprefix(SQLITE)
        if path == url:
            raise ValueError("begins with neither sqlite:/// nor postgresql://")
        if path in ("", ":memory:"):
            raise ValueError(
                "names no file; other processes' changes can be followed in a file only"
            )
        if "?" in path:
            raise ValueError("has options after '?', which are not understood")
        if os.path.isdir(within(self._base, path)):
            raise ValueError("names a directory")
        return f"{SQLITE}{within(self._base, path)}"

    def _postgres(self, database: dict[str, Any]) -> None:
        """
        @raise ValueError: The URL is malformed.
        """
        try:
            from aerostack.databases.postgres.connection import conninfoOf
        except ImportError:
            # Without libpq the URL cannot be read.
            self._problem(
                "database.url",
                "is PostgreSQL's, for which psycopg is not installed with its libpq; run: pip"
                " install 'aerostack-rt[postgres]'",
            )
            return
        info = conninfoOf(database["url"]).withFiles(lambda name: str(self._file(name)))
        kind = keysOf(DatabaseConfig)["password"].kind
        assert isinstance(kind, Secret)
        password = self._secret("database.password", kind, database["password"])
        if password is not None and info.password is not None:
            self._problem(
                "database.password", "is in database.url as well; allowed is one of the two"
            )
        database["url"] = info.url
        database["password"] = password or info.password

    def _file(self, name: str) -> Path:
        """
        Find a file that the database's URL names.

        @raise ValueError: It cannot be read.
        """
        path = within(self._base, name)
        try:
            path.open("rb").close()
        except OSError as error:
            raise ValueError(
                f"names a file that cannot be read ({error.strerror}): {path}"
            ) from None
        return path

    def _urls(self) -> str:
        return keysOf(DatabaseConfig)["url"].kind.allowed()

    def _limits(self, limits: LimitsConfig) -> None:
        frame = limits.frameBytes
        for name, value in (
            ("message_bytes", limits.messageBytes),
            ("state_bytes", limits.stateBytes),
        ):
            key = f"limits.{name}"
            if value > frame and not self._faulty(key, "limits.frame_bytes"):
                self._problem(key, f"is {value}; allowed is at most limits.frame_bytes, {frame}")
        key = "limits.outbox_bytes"
        if limits.outboxBytes < 2 * frame and not self._faulty(key, "limits.frame_bytes"):
            self._problem(
                key,
                f"is {limits.outboxBytes}; allowed is at least twice limits.frame_bytes,"
                f" {2 * frame}",
            )

    def _examples(self, projects: Mapping[str, ProjectConfig]) -> None:
        project = next((each for each in projects.values() if each.anonymous), None)
        if project is None:
            self._problem(
                "server.examples",
                "is true, but no project lets their pages in; allowed is that with"
                " projects.<id>.anonymous = true",
            )
        elif not (len(projects) == 1 if project.dbQuery is None else project.dbQuery):
            self._problem(
                "server.examples",
                "is true, but they may not ask the database; allowed is that with"
                f" projects.{project.id}.db_query = true",
            )

    def _patterned(self, cls: type[T], tables: object, prefix: str) -> Mapping[str, T]:
        """
        Read tables that stand under patterns.

        @param cls: What each is read into; every setting of it has a default.
        """
        found: dict[str, T] = {}
        if not isinstance(tables, dict):
            allowed = f"tables such as [{prefix}.'{_EXAMPLES[cls]}']"
            self._problem(prefix, f"is {describe(tables)}; allowed are {allowed}")
            return found
        for pattern, table in tables.items():
            key = f"{prefix}.'{pattern}'"
            if not isinstance(table, dict):
                self._problem(key, f"is {describe(table)}; allowed is a table, [{key}]")
                continue
            values = self._table(cls, table, key)
            assert values is not None, "every setting under a pattern has a default"
            found[pattern] = cls(**values)
        return MappingProxyType(found)

    def _rules(self, tables: object, prefix: str) -> Mapping[str, TableConfig]:
        """Read the rules for tables."""
        rules = self._patterned(TableConfig, tables, prefix)
        for pattern, rule in rules.items():
            key = f"{prefix}.'{pattern}'"
            if rule.rows is None:
                continue
            try:
                rows = parseRows(rule.rows)
            except ValueError as error:
                self._problem(f"{key}.rows", str(error))
                continue
            tokens = "token" in (rule.read or ()) or self._faulty(f"{key}.read")
            if rows.needsToken and not tokens:
                self._problem(
                    f"{key}.rows", f"asks for claims; allowed is that with 'token' in {key}.read"
                )
        return rules

    def _projects(self, tables: object) -> Mapping[str, ProjectConfig]:
        projects: dict[str, ProjectConfig] = {}
        if not isinstance(tables, dict) or not tables:
            self._problem("projects", "has no project; add at least one, as [projects.<id>]")
            return projects
        for name, table in tables.items():
            key = f"projects.{name}"
            if not _PROJECT.fullmatch(name):
                self._problem(key, "has a bad id; allowed are 1 to 64 of A-Z a-z 0-9 _ -")
            elif not isinstance(table, dict):
                self._problem(key, f"is {describe(table)}; allowed is a table, [{key}]")
            else:
                self._project(name, table, projects)
        return MappingProxyType(projects)

    def _project(
        self, name: str, table: dict[str, Any], projects: dict[str, ProjectConfig]
    ) -> None:
        prefix = f"projects.{name}"
        values = self._table(ProjectConfig, table, prefix)
        assert values is not None, "every setting of a project has a default"
        named = [key for key in ("public_key", "secret_key", "jwt") if key in table]
        if not named and not values["anonymous"] and not self._faulty(f"{prefix}.anonymous"):
            self._problem(
                prefix,
                "nobody could connect; allowed is at least one of public_key, secret_key, jwt"
                " and anonymous = true",
            )
        if "*" in values["origins"] and len(values["origins"]) > 1:
            self._problem(f"{prefix}.origins", "has '*' beside other entries; allowed is it alone")
        for key in keysOf(ProjectConfig).values():
            if isinstance(key.kind, Secret):
                source = values[key.attribute]
                values[key.attribute] = self._apiKey(f"{prefix}.{key.name}", key.kind, source)
        if values["tables"] is not None:
            values["tables"] = self._rules(values["tables"], f"{prefix}.tables")
        if values["jwt"] is not None:
            values["jwt"] = self._jwt(values["jwt"], f"{prefix}.jwt")
        projects[name] = ProjectConfig(id=name, **values)

    def _apiKey(self, dotted: str, kind: Secret, source: Any) -> str | None:
        value = self._secret(dotted, kind, source)
        if isinstance(value, Pending):
            self.pending[dotted] = value
            self._once(dotted, value.path)
            return None
        if value is not None:
            try:
                checkAPIKey(value)
            except ValueError as error:
                self._problem(dotted, str(error))
            self._once(dotted, value)
        return value

    def _jwt(self, table: dict[str, Any], prefix: str) -> JWTConfig | None:
        values = self._table(JWTConfig, table, prefix)
        if values is None:
            return None
        algorithm, key, path = values["algorithm"], values["key"], values["jwks"]
        if (key is None) == (path is None):
            if not self._faulty(f"{prefix}.key", f"{prefix}.jwks_file"):
                self._problem(prefix, "must have exactly one of key and jwks_file")
            return None
        dotted = f"{prefix}.key"
        try:
            if path is not None:
                dotted = f"{prefix}.jwks_file"
                values["jwks"] = readKeySet(within(self._base, path), algorithm)
            else:
                kind = keysOf(JWTConfig)["key"].kind
                assert isinstance(kind, Secret)
                if not algorithm.startswith("HS"):
                    kind = Secret(kind.what, private=False)
                value = self._secret(dotted, kind, key)
                if not isinstance(value, str):
                    return None
                checkTokenKey(algorithm, value)
                values["key"] = value
                # One issuer's public key may serve several projects, a shared secret not.
                if algorithm.startswith("HS"):
                    self._once(dotted, value)
        except ValueError as error:
            self._problem(dotted, str(error))
            return None
        return JWTConfig(**values)

    def _secret(self, dotted: str, kind: Secret, source: Any) -> str | Pending | None:
        if source is None:
            return None
        try:
            return resolve(source, kind, self._base, self._environ)
        except ValueError as error:
            self._problem(dotted, str(error))
            return None

    def _once(self, dotted: str, credential: str | Path) -> None:
        first = self._seen.setdefault(credential, dotted)
        if first != dotted:
            self._problem(dotted, f"is the same as {first}; allowed is a key of its own")
