"""
The tables C{[ai.models.*]}.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from aerostack.config.credentials import Credentials
from aerostack.config.problems import Problems
from aerostack.config.sections import SectionReader
from aerostack.config.urls import faultOf
from aerostack.protocol.chatrequests import PARAMETERS
from aerostack.settings.ai import ModelConfig
from aerostack.settings.fields import keysOf
from aerostack.settings.kinds import Secret, describe
from aerostack.settings.projects import ProjectConfig

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class ModelReader:
    """
    Reads the models, and notes the mistakes in them.
    """

    def __init__(
        self, problems: Problems, sections: SectionReader, credentials: Credentials
    ) -> None:
        self._problems = problems
        self._sections = sections
        self._credentials = credentials

    def read(self, tables: Mapping[str, Any]) -> Mapping[str, ModelConfig]:
        """
        Read all models.

        @param tables: The file's C{ai.models}.
        @return: The models by name.
        """
        models: dict[str, ModelConfig] = {}
        for name, table in tables.items():
            key = f"ai.models.{name}"
            if not _NAME.fullmatch(name):
                self._problems.add(key, "has a bad name; allowed are 1 to 64 of A-Z a-z 0-9 _ . -")
            elif not isinstance(table, dict):
                self._problems.add(key, f"is {describe(table)}; allowed is a table, [{key}]")
            else:
                self._model(name, table, models)
        return MappingProxyType(models)

    def checkProjects(self, projects: Mapping[str, ProjectConfig], models: Collection[str]) -> None:
        """
        Make sure that the projects use no model that is not there.
        """
        for project in projects.values():
            for name in project.models:
                if name not in models:
                    self._problems.add(
                        f"projects.{project.id}.models",
                        f"names {name!r}, but there is no table [ai.models.{name}]",
                    )

    def _model(self, name: str, table: dict[str, Any], models: dict[str, ModelConfig]) -> None:
        prefix = f"ai.models.{name}"
        values = self._sections.read(ModelConfig, table, prefix)
        if values is None:
            return
        fault = faultOf(values["url"], "put the key into key")
        if fault is not None:
            # The URL may hold a credential in the wrong place, so the message does not show it.
            self._problems.add(f"{prefix}.url", fault)
        unknown = sorted(set(values["params"] or ()) - PARAMETERS)
        if unknown:
            self._problems.add(
                f"{prefix}.params",
                f"has {', '.join(unknown)}; allowed are {', '.join(sorted(PARAMETERS))}",
            )
        kind = keysOf(ModelConfig)["key"].kind
        assert isinstance(kind, Secret)
        found = self._credentials.find(f"{prefix}.key", kind, values["key"])
        values["key"] = found if isinstance(found, str) else None
        values["model"] = values["model"] or name
        models[name] = ModelConfig(**values)
