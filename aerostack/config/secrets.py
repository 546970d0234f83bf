"""
Reads credentials from the file, the environment or systemd, and makes API keys.

No message here ever shows a credential.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from aerostack.settings.files import readFile
from aerostack.settings.kinds import Secret
from aerostack.settings.settings import Config

_SOURCES = ("file", "env", "credential")


class Unset(ValueError):
    """
    This program does not have an environment variable; the message names it.
    """


@dataclass(frozen=True)
class Pending:
    """
    A key that has yet to be made.

    @ivar path: The file for the key.
    @ivar prefix: The first characters of the key.
    """

    path: Path
    prefix: str

    def generate(self) -> str:
        """
        Make the key and its file, readable by its owner only.

        @raise FileExistsError: The file exists now; it is left as it is.
        @raise OSError: The file could not be written.
        """
        for directory in (*reversed(self.path.parent.parents), self.path.parent):
            try:
                directory.mkdir(mode=0o700)
            except FileExistsError:
                # FileExistsError would mean the key's own file.
                if not directory.is_dir():
                    raise NotADirectoryError(
                        errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory)
                    ) from None
        value = self.prefix + secrets.token_urlsafe(32)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{value}\n")
                file.flush()
                os.fsync(descriptor)
        except OSError:
            # The next start would read an empty file as the key.
            self.path.unlink()
            raise
        return value


def within(base: Path, path: str) -> Path:
    """
    Join a path to a directory without following links, because the target of a link may change
    while the daemon runs.
    """
    joined = base / path
    tidy = Path(os.path.normpath(joined))
    return tidy if os.path.realpath(tidy) == os.path.realpath(joined) else joined


def resolve(
    source: str | Mapping[str, Any], kind: Secret, base: Path, environ: Mapping[str, str]
) -> str | Pending:
    """
    Find a credential.

    @param source: The credential, or the table that says where it is.
    @param base: The directory that relative paths begin at.
    @return: The credential, or a L{Pending} if it has no file yet and may be generated.
    @raise ValueError: The credential cannot be read; the message says why.
    """
    if isinstance(source, str):
        if not source:
            raise ValueError("is empty")
        return source
    named = [name for name in _SOURCES if name in source]
    for name in source:
        if name not in (*_SOURCES, "generate"):
            raise ValueError(f"has an unknown key {name!r}{suggest(name, [*_SOURCES, 'generate'])}")
    if len(named) != 1:
        raise ValueError(f"must name exactly one of {', '.join(_SOURCES)}")
    where = source[named[0]]
    if not isinstance(where, str) or not where:
        raise ValueError(f"has a {named[0]!r} that is no string, or empty")
    generate = source.get("generate", False)
    if not isinstance(generate, bool):
        raise ValueError("has a 'generate' that is neither true nor false")
    if generate and (kind.prefix is None or named[0] != "file"):
        raise ValueError("cannot be generated; only an API key in a file can")
    if named[0] == "env":
        return _environment(where, environ)
    if named[0] == "credential":
        return readSecret(_credential(where, environ), kind.private)
    path = within(base, where)
    if generate and kind.prefix is not None and not os.path.lexists(path):
        return Pending(path, kind.prefix)
    return readSecret(path, kind.private)


def suggest(name: str, known: list[str]) -> str:
    """
    @return: A question that names the nearest known name; empty if no name is near.
    """
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def credentialsOf(config: Config) -> frozenset[str]:
    """
    Every value in a configuration that must not appear in a log.
    """
    engine = config.engine
    found: set[str | None] = {config.database.password, engine.password, engine.sentinelPassword}
    for project in config.projects.values():
        found |= {project.publicKey, project.secretKey}
        if project.jwt is not None:
            found.add(project.jwt.key)
            keys = project.jwt.jwks["keys"] if project.jwt.jwks else []
            found |= {key.get("k") for key in keys}
    found |= {model.key for model in (config.ai.models or {}).values()}
    return frozenset(value for value in found if value)


def _environment(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if not value:
        raise Unset(f"names the environment variable {name}, which is not set")
    return value


def _credential(name: str, environ: Mapping[str, str]) -> Path:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ValueError(
            f"names the credential {name}, but there is no $CREDENTIALS_DIRECTORY;"
            f" add LoadCredential={name}:... to the systemd unit"
        )
    if "/" in name or name in (".", ".."):
        raise ValueError("has a 'credential' that is a path; it is the name from LoadCredential=")
    return Path(directory) / name


def readSecret(path: Path, private: bool) -> str:
    """
    Read a credential from its file.

    @param private: Whether a file that every user of the machine can read is refused.
    @raise ValueError: It cannot be read; the message says why.
    """
    try:
        content, mode = readFile(path)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}): {path}") from None
    # The group may read: an operator hands a secret to a service as root:daemon with 0640.
    if private and mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ValueError(f"is in a file that everyone can read; run: chmod o-rw {path}")
    value = ""
    with contextlib.suppress(UnicodeDecodeError):
        value = content.decode().strip()
    if not value:
        raise ValueError(f"is in a file that is empty or no UTF-8 text: {path}")
    return value
