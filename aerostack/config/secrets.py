"""
Where credentials come from, and whether they are any good.

No message here ever shows a credential.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aerostack.settings.kinds import Secret
from aerostack.settings.settings import Config

_LEAST = 16
_MOST = 256
# Credentials travel in Sec-WebSocket-Protocol, whose entries are tokens: RFC 9110, 5.6.2.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]")
_FILE_BYTES = 1_048_576

_SOURCES = ("file", "env", "credential")
_KTY = {"HS": "oct", "RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_RSA_BITS = 2048


@dataclass(frozen=True)
class Pending:
    """
    A key that has yet to be made.

    @ivar path: The file that will hold it.
    @ivar prefix: What it begins with.
    """

    path: Path
    prefix: str

    def generate(self) -> str:
        """
        Make the key and its file, readable by its owner only.

        @raise FileExistsError: The file is there by now; it is left as it is.
        @raise OSError: It could not be written.
        """
        for directory in (*reversed(self.path.parent.parents), self.path.parent):
            try:
                directory.mkdir(mode=0o700)
            except FileExistsError:
                # That is to be said of the key's file only.
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
            # A file without a key would be taken for the key at the next start.
            self.path.unlink()
            raise
        return value


def within(base: Path, path: str) -> Path:
    """
    Read a path as relative to a directory, without following links: what a link
    points at may be renewed while the daemon runs.
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
    @return: The credential, or a L{Pending} for one that may be generated and is
        not there.
    @raise ValueError: There is none; the message says why.
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
        return _read(_credential(where, environ), kind.private)
    path = within(base, where)
    if generate and kind.prefix is not None and not os.path.lexists(path):
        return Pending(path, kind.prefix)
    return _read(path, kind.private)


def suggest(name: str, known: list[str]) -> str:
    """
    @return: A question that names the nearest known name, or nothing.
    """
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def checkAPIKey(value: str) -> None:
    """
    Refuse a key that is easy to guess or cannot travel.

    @raise ValueError: The message says what is wrong with it.
    """
    if not _LEAST <= len(value) <= _MOST:
        raise ValueError(f"has {len(value)} characters; allowed are {_LEAST} to {_MOST}")
    for place, character in enumerate(value, 1):
        if not _TOKEN.fullmatch(character):
            raise ValueError(
                f"has a character at place {place} that cannot travel in a header;"
                " allowed are A-Z a-z 0-9 and !#$%&'*+-.^_`|~"
            )


def checkTokenKey(algorithm: str, value: str) -> None:
    """
    Refuse a key that its algorithm cannot verify with, or not safely.

    @raise ValueError: The message says what is wrong with it.
    """
    if algorithm.startswith("HS"):
        # A public key that is taken for a shared secret lets everyone sign.
        if "-----BEGIN" in value or re.match(r"ssh-|ecdsa-|sk-ssh-|sk-ecdsa-", value):
            raise ValueError(
                f"is a PEM or SSH key; {algorithm} wants a random secret that only you know"
            )
        _checkSecretLength(algorithm, len(value.encode()))
        return
    if "PRIVATE KEY-----" in value:
        raise ValueError("is a private key; give the daemon the public one only")
    try:
        key = load_pem_public_key(value.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            f"is no PEM public key; {algorithm} wants one ('-----BEGIN PUBLIC KEY-----'),"
            " best from a file"
        ) from None
    _checkPublicKey(algorithm, key)


def readKeySet(path: Path, algorithm: str) -> Mapping[str, Any]:
    """
    Read a JSON Web Key Set.

    @raise ValueError: It is none, or none for the algorithm.
    """
    symmetric = algorithm.startswith("HS")
    try:
        keySet = json.loads(_read(path, symmetric))
    except RecursionError:
        raise ValueError(f"is nested too deeply: {path}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON (line {error.lineno}): {path}") from None
    keys = keySet.get("keys") if isinstance(keySet, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError(f'is no key set, which is {{"keys": [...]}}: {path}')
    kty = _KTY[algorithm[:2]]
    named: dict[Any, int] = {}
    for place, key in enumerate(keys, 1):
        if (key.get("kty") == "oct") is not symmetric:
            raise ValueError(
                f"has a key {place} of type {key.get('kty')!r}, which must not stand beside"
                f" {algorithm}: {path}"
            )
        if "d" in key:
            raise ValueError(f"has a private key at place {place}; leave only public ones: {path}")
        if key.get("kty") == kty:
            try:
                _checkWebKey(algorithm, key)
            except ValueError as error:
                raise ValueError(f"has a key {place} that {error}: {path}") from None
            if key.get("use") in (None, "sig"):
                first = named.setdefault(key.get("kid"), place)
                if first != place:
                    raise ValueError(
                        f"has keys {first} and {place} of the same kid, or of none; a token names"
                        f" its key by kid, so give each its own: {path}"
                    )
    if not any(key.get("kty") == kty for key in keys):
        raise ValueError(f"has no key of type {kty}, which {algorithm} wants: {path}")
    return keySet


def credentialsOf(config: Config) -> frozenset[str]:
    """
    Every value in a configuration that must not be seen in a log.
    """
    found: set[str | None] = {config.database.password}
    for project in config.projects.values():
        found |= {project.publicKey, project.secretKey}
        if project.jwt is not None:
            found.add(project.jwt.key)
            keys = project.jwt.jwks["keys"] if project.jwt.jwks else []
            found |= {key.get("k") for key in keys}
    return frozenset(value for value in found if value)


def _environment(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if not value:
        raise ValueError(f"names the environment variable {name}, which is not set")
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


def _read(path: Path, private: bool) -> str:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}): {path}") from None
    # The group may read: root:daemon and 0640 is how a secret is handed to a service.
    if private and mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ValueError(f"is in a file that everyone can read; run: chmod o-rw {path}")
    if len(content) > _FILE_BYTES:
        raise ValueError(f"is in a file of more than {_FILE_BYTES} bytes: {path}")
    value = ""
    with contextlib.suppress(UnicodeDecodeError):
        value = content.decode().strip()
    if not value:
        raise ValueError(f"is in a file that is empty or no UTF-8 text: {path}")
    return value


def _checkSecretLength(algorithm: str, length: int) -> None:
    least = int(algorithm[2:]) // 8
    if length < least:
        raise ValueError(f"has {length} bytes; {algorithm} wants at least {least} (RFC 7518, 3.2)")


def _checkPublicKey(algorithm: str, key: object) -> None:
    family = algorithm[:2]
    if family in ("RS", "PS"):
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError(f"is no RSA key, which {algorithm} wants")
        if key.key_size < _RSA_BITS:
            raise ValueError(f"has {key.key_size} bits; {algorithm} wants at least {_RSA_BITS}")
    elif family == "ES":
        curve = _CURVES[algorithm]
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != curve:
            raise ValueError(f"is no key on the curve {curve}, which {algorithm} wants")
    elif not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raise ValueError(f"is no Ed25519 or Ed448 key, which {algorithm} wants")


def _checkWebKey(algorithm: str, key: dict[str, Any]) -> None:
    try:
        loaded = jwt.PyJWK(key, algorithm).key
    except (jwt.PyJWKError, jwt.InvalidKeyError, ValueError, TypeError):
        raise ValueError(f"cannot be used for {algorithm}") from None
    if algorithm.startswith("HS"):
        _checkSecretLength(algorithm, len(loaded))
    else:
        _checkPublicKey(algorithm, loaded)
