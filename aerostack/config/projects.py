"""
The projects, and the rules for the tables that they may read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aerostack.config.credentials import Credentials
from aerostack.config.keys import checkTokenKey, readKeySet
from aerostack.config.problems import Problems
from aerostack.config.secrets import within
from aerostack.config.sections import SectionReader
from aerostack.config.urls import faultOf
from aerostack.core.access.rowrules import parseRows
from aerostack.settings.fields import keysOf
from aerostack.settings.kinds import Secret, describe
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.settings.tables import TableConfig

_PROJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ProjectReader:
    """
    Reads projects, and notes the mistakes in them.
    """

    def __init__(
        self, problems: Problems, sections: SectionReader, credentials: Credentials, base: Path
    ) -> None:
        """
        @param base: The directory that relative paths begin at.
        """
        self._problems = problems
        self._sections = sections
        self._credentials = credentials
        self._base = base

    def read(self, tables: object) -> Mapping[str, ProjectConfig]:
        """
        Read all projects.

        @param tables: The file's C{projects}.
        @return: The projects by id.
        """
        projects: dict[str, ProjectConfig] = {}
        if not isinstance(tables, dict) or not tables:
            self._problems.add("projects", "has no project; add at least one, as [projects.<id>]")
            return projects
        for name, table in tables.items():
            key = f"projects.{name}"
            if not _PROJECT.fullmatch(name):
                self._problems.add(key, "has a bad id; allowed are 1 to 64 of A-Z a-z 0-9 _ -")
            elif not isinstance(table, dict):
                self._problems.add(key, f"is {describe(table)}; allowed is a table, [{key}]")
            else:
                self._project(name, table, projects)
        return MappingProxyType(projects)

    def readRules(self, tables: object, prefix: str) -> Mapping[str, TableConfig]:
        """
        Read the rules for tables.

        @param tables: Tables under patterns.
        @param prefix: Their dotted key.
        """
        rules = self._sections.readPatterned(TableConfig, tables, prefix)
        for pattern, rule in rules.items():
            key = f"{prefix}.'{pattern}'"
            if rule.rows is None:
                continue
            try:
                rows = parseRows(rule.rows)
            except ValueError as error:
                self._problems.add(f"{key}.rows", str(error))
                continue
            tokens = "token" in (rule.read or ()) or self._problems.has(f"{key}.read")
            if rows.needsToken and not tokens:
                self._problems.add(
                    f"{key}.rows", f"asks for claims; allowed is that with 'token' in {key}.read"
                )
        return rules

    def _project(
        self, name: str, table: dict[str, Any], projects: dict[str, ProjectConfig]
    ) -> None:
        prefix = f"projects.{name}"
        values = self._sections.read(ProjectConfig, table, prefix)
        assert values is not None, "every setting of a project has a default"
        named = [key for key in ("public_key", "secret_key", "jwt") if key in table]
        if not named and not values["anonymous"] and not self._problems.has(f"{prefix}.anonymous"):
            self._problems.add(
                prefix,
                "no client could connect; allowed is at least one of public_key, secret_key, jwt"
                " and anonymous = true",
            )
        if "*" in values["origins"] and len(values["origins"]) > 1:
            self._problems.add(
                f"{prefix}.origins", "has '*' beside other entries; allowed is it alone"
            )
        for key in keysOf(ProjectConfig).values():
            if isinstance(key.kind, Secret):
                source = values[key.attribute]
                values[key.attribute] = self._credentials.findAPIKey(
                    f"{prefix}.{key.name}", key.kind, source
                )
        if values["tables"] is not None:
            values["tables"] = self.readRules(values["tables"], f"{prefix}.tables")
        if values["jwt"] is not None:
            values["jwt"] = self._jwt(values["jwt"], f"{prefix}.jwt")
        projects[name] = ProjectConfig(id=name, **values)

    def _jwt(self, table: dict[str, Any], prefix: str) -> JWTConfig | None:
        values = self._sections.read(JWTConfig, table, prefix)
        if values is None:
            return None
        algorithm, key, path = values["algorithm"], values["key"], values["jwks"]
        url = values["jwksUrl"]
        if sum(each is not None for each in (key, path, url)) != 1:
            names = ("key", "jwks_file", "jwks_url")
            if not self._problems.has(*(f"{prefix}.{name}" for name in names)):
                self._problems.add(prefix, "must have exactly one of key, jwks_file and jwks_url")
            return None
        if url is not None:
            fault = faultOf(url, "leave it out: a key set is public")
            if fault is None and algorithm.startswith("HS"):
                fault = f"is for public keys; {algorithm} wants a secret, as key or in jwks_file"
            if fault is not None:
                self._problems.add(f"{prefix}.jwks_url", fault)
                return None
            return JWTConfig(**values)
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
                value = self._credentials.find(dotted, kind, key)
                if dotted in self._credentials.unread:
                    return JWTConfig(**{**values, "key": None})
                if not isinstance(value, str):
                    return None
                checkTokenKey(algorithm, value)
                values["key"] = value
                # Several projects may use one issuer's public key, but not one shared secret.
                if algorithm.startswith("HS"):
                    self._credentials.claim(dotted, value)
        except ValueError as error:
            self._problems.add(dotted, str(error))
            return None
        return JWTConfig(**values)
