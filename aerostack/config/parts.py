"""
Reads single settings of a configuration, for programs other than the daemon.

Such a program needs little of the file.  It gets what it needs even where it may not read a
credential of another part, and where another part has mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerostack.config.credentials import Credentials
from aerostack.config.credstore import NotFound, locate
from aerostack.config.database import DatabaseReader
from aerostack.config.loader import parse
from aerostack.config.problems import ConfigError, Problem, Problems
from aerostack.config.projects import ProjectReader
from aerostack.config.sections import SectionReader
from aerostack.settings.fields import keysOf
from aerostack.settings.kinds import describe
from aerostack.settings.listen import Description, parseDescription
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import DatabaseConfig, ServerConfig


class Parts:
    """
    A configuration of which each part is read when it is asked for.

    @ivar path: The file's absolute path.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        """
        @param environ: The environment, for C{{ env = ... }} and C{{ credential = ... }}.
        @raise ConfigError: The file cannot be read, or is no TOML.
        """
        self.path = path.absolute()
        self._environ = environ
        self._document = parse(self.path)

    def listen(self) -> tuple[Description, ...]:
        """
        Read where the daemon listens.  No file of a certificate is opened.

        @raise ConfigError: The setting has a mistake.
        """
        key = keysOf(ServerConfig)["listen"]
        try:
            texts = SectionReader(Problems()).value(key, self._table("server"))
            return tuple(parseDescription(text) for text in texts)
        except ValueError as error:
            raise ConfigError([Problem("server.listen", str(error))]) from None

    def console(self) -> str:
        """
        Read from where the console can be reached.

        @raise ConfigError: The setting has a mistake.
        """
        key = keysOf(ServerConfig)["console"]
        try:
            return str(SectionReader(Problems()).value(key, self._table("server")))
        except ValueError as error:
            raise ConfigError([Problem("server.console", str(error))]) from None

    def projectId(self, given: str | None) -> str:
        """
        Find a project.

        @param given: Its id; L{None} for the first in the file.
        @raise ConfigError: It is not there.
        """
        projects = self._table("projects")
        name = given or next(iter(projects), None)
        if name is None:
            raise ConfigError([Problem("projects", "has no project")])
        if not isinstance(projects.get(name), dict):
            raise ConfigError([Problem("projects", f"has no project {name}")])
        return name

    def key(self, projectId: str, secret: bool) -> str | None:
        """
        Read an API key of a project.

        @param secret: Whether it is the secret one.
        @return: L{None} if the project has none, or it is yet to be made.
        @raise ConfigError: It cannot be read, or has a mistake.
        """
        name = "secret_key" if secret else "public_key"
        table = self._table("projects")[projectId]
        if name not in table:
            return None
        found = self._found(f"projects.{projectId}", table, name)
        project = self._project(projectId, {name: found})
        return project.secretKey if secret else project.publicKey

    def tokens(self, projectId: str, sharedSecret: str | None = None) -> ProjectConfig:
        """
        Read how a project's tokens are made and verified, and nothing else of the project.

        @param sharedSecret: What to sign with instead of the C{key} of the configuration, where the
            algorithm has the same key on both sides.
        @raise ConfigError: That cannot be read, or has a mistake.
        """
        table = self._table("projects")[projectId].get("jwt")
        if table is None:
            return self._project(projectId, {"anonymous": True})
        if not isinstance(table, dict):
            return self._project(projectId, {"jwt": table})
        if sharedSecret is not None and str(table.get("algorithm", "")).startswith("HS"):
            rest = {name: table[name] for name in table if name != "jwks_file"}
            found: Any = {**rest, "key": sharedSecret}
        elif "key" in table:
            found = {**table, "key": self._found(f"projects.{projectId}.jwt", table, "key")}
        else:
            found = table
        return self._project(projectId, {"jwt": found})

    def database(self, password: str | None = None) -> DatabaseConfig:
        """
        Read where the database is, and the password for it.

        @param password: The password, if the configuration's is not to be read.
        @raise ConfigError: That cannot be read, or has a mistake.
        """
        problems = Problems()
        table = dict(self._table("database"))
        if password is not None:
            table["password"] = password
        elif "password" in table:
            table["password"] = self._found("database", table, "password")
        values = SectionReader(problems).read(DatabaseConfig, table, "database")
        if values is not None:
            credentials = Credentials(problems, self.path.parent, self._environ)
            DatabaseReader(problems, credentials, self.path.parent).read(values)
        if values is None or problems.found:
            raise ConfigError(problems.found)
        return DatabaseConfig(**values)

    def _table(self, name: str) -> dict[str, Any]:
        table = self._document.get(name, {})
        if not isinstance(table, dict):
            fault = f"is {describe(table)}; allowed is a table, [{name}]"
            raise ConfigError([Problem(name, fault)])
        return table

    def _found(self, prefix: str, table: Mapping[str, Any], name: str) -> Any:
        """What a table has for a credential, with the place of a credential of the unit."""
        try:
            return locate(table[name], self.path, self._environ)
        except NotFound as error:
            raise ConfigError([Problem(f"{prefix}.{name}", str(error))]) from None

    def _project(self, projectId: str, table: dict[str, Any]) -> ProjectConfig:
        problems = Problems()
        credentials = Credentials(problems, self.path.parent, self._environ)
        reader = ProjectReader(problems, SectionReader(problems), credentials, self.path.parent)
        projects = reader.read({projectId: table})
        if problems.found:
            raise ConfigError(problems.found)
        return projects[projectId]
