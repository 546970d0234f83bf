"""
C{token}: make a token for one of the project's users.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.auth.tokens import PROJECT_CLAIM
from aerostack.cli.options import CommandError, addConfig, duration, orElse, partsOf, readJSON
from aerostack.cli.output import say
from aerostack.config.problems import ConfigError
from aerostack.core.access.permissions import CLAIM, Action
from aerostack.errors import RealtimeError
from aerostack.settings.projects import JWTConfig, ProjectConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Makes a token for one of the project's users, as your application would:"
        " signed with the configuration's shared secret, or with the private key that you give."
    )
    parser.add_argument("user", metavar="USER", help="who the token is for, its claim sub")
    parser.add_argument(
        "--expires", type=duration, default=3600, metavar="TIME", help="90s, 15m, 12h, 7d; 1h"
    )
    for action in Action:
        parser.add_argument(
            f"--{action.value}",
            action="append",
            metavar="PATTERN",
            help=f"where it allows {action.value}, such as 'chat/*'; everywhere, if none of these"
            " is given",
        )
    parser.add_argument(
        "--claim", action="append", default=[], metavar="NAME=JSON", help="another claim"
    )
    parser.add_argument("--private-key", type=Path, metavar="PEM", help="the key to sign with")
    parser.add_argument("--key-id", help="the kid that the key has in a key set")
    parser.add_argument("--project", help="the project's id")
    addConfig(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    given = _read(options.private_key)
    project = _project(options, given)
    now = int(time.time())
    token = mint(project, claimsOf(options, project, now), given, options.key_id)
    _check(project, token, now)
    print(token)
    if sys.stdout.isatty():
        say(f"for {options.user}, on {project.id}, for {options.expires} seconds")


def _read(privateKey: Path | None) -> str | None:
    """Read the key that the person gives."""
    try:
        return None if privateKey is None else privateKey.read_text()
    except OSError as error:
        raise CommandError(f"{privateKey} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{privateKey} is no UTF-8 text") from None


def _project(options: argparse.Namespace, given: str | None) -> ProjectConfig:
    """What the configuration says of the project's tokens."""
    parts = partsOf(options.config)
    projectId = parts.projectId(options.project)
    try:
        return parts.tokens(projectId)
    except ConfigError as error:
        if given is None:
            raise CommandError(f"{error}{orElse('--private-key')}") from None
        # Where the key of the configuration cannot be read, the one that was given counts.
        return parts.tokens(projectId, given.strip())


def claimsOf(options: argparse.Namespace, project: ProjectConfig, now: int) -> dict[str, Any]:
    """
    Make the claims of a token.

    @raise CommandError: A claim is malformed.
    """
    claims: dict[str, Any] = {
        "sub": options.user,
        "iat": now,
        "exp": now + options.expires,
        PROJECT_CLAIM: project.id,
    }
    if project.jwt is not None:
        named = {"aud": project.jwt.audience, "iss": project.jwt.issuer}
        claims |= {name: value for name, value in named.items() if value is not None}
    patterns = {action.value: getattr(options, action.value) for action in Action}
    narrowed = {name: given for name, given in patterns.items() if given}
    if narrowed:
        claims[CLAIM] = narrowed
    for text in options.claim:
        name, given, value = text.partition("=")
        if not name or not given:
            raise CommandError(f"--claim {text} is not NAME=JSON")
        claims[name] = readJSON(value, f"--claim {name}")
    return claims


def mint(
    project: ProjectConfig, claims: dict[str, Any], given: str | None, keyId: str | None
) -> str:
    """
    Sign a token.

    @param given: The key to sign with; L{None} for the shared secret of the configuration.
    @param keyId: The C{kid}; L{None} for none.
    @raise CommandError: There is no key, or the key cannot be used.
    """
    if project.jwt is None:
        raise CommandError(
            f"the project {project.id} takes no tokens; add a table [projects.{project.id}.jwt]"
            " with an algorithm and a key to the configuration"
        )
    key = _key(project.jwt, given)
    try:
        return jwt.encode(
            claims, key, project.jwt.algorithm, headers={"kid": keyId} if keyId else None
        )
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise CommandError(f"that cannot be signed with {project.jwt.algorithm}: {error}") from None


def _key(config: JWTConfig, given: str | None) -> str:
    isShared = config.algorithm.startswith("HS")
    if given is not None:
        # The daemon reads a shared secret without the end of its line.
        return given.strip() if isShared else given
    if not isShared:
        raise CommandError(
            f"the daemon has the public half of the key only; give the private one, for"
            f" {config.algorithm}, with --private-key"
        )
    if config.key is None:
        raise CommandError("the secret is in a key set; give it with --private-key and --key-id")
    return config.key


def _check(project: ProjectConfig, token: str, now: int) -> None:
    """Make sure that the daemon would accept the token."""
    authenticator = Authenticator({project.id: project})
    try:
        authenticator.identify(Credentials(projectId=project.id, token=token), now)
    except RealtimeError as error:
        raise CommandError(f"the daemon would refuse this token: {error.message}") from None
