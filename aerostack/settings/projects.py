"""
The settings of the sections C{[projects.*]}: keys, tokens and origins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aerostack.settings.fields import setting
from aerostack.settings.kinds import (
    Flag,
    Many,
    Number,
    Origin,
    Patterned,
    Secret,
    Section,
    Text,
    Word,
)
from aerostack.settings.tables import READERS, TableConfig

# JWA names (RFC 7518, 3.1 and RFC 8037).  C{none} is no signature, so it is not here.
ALGORITHMS = (
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)


@dataclass(frozen=True)
class JWTConfig:
    """How a project's tokens are verified.  One of C{key}, C{jwks} and C{jwksUrl} is set."""

    algorithm: str = setting(
        "The only algorithm that a token may be signed with.", Word(ALGORITHMS)
    )
    key: str | None = setting(
        "The shared secret (HS*), at least as long as the hash, or the public key as PEM.",
        Secret("a shared secret or a PEM public key"),
        None,
        show=False,
    )
    jwks: Mapping[str, Any] | None = setting(
        "A file with a JSON Web Key Set, instead of key.",
        Text("a path, relative to this file"),
        None,
        key="jwks_file",
        show=False,
    )
    jwksUrl: str | None = setting(
        "Where the identity provider publishes its JSON Web Key Set, instead of key. Not for HS*.",
        Text("a URL such as 'https://login.example.com/.well-known/jwks.json'"),
        None,
        key="jwks_url",
    )
    jwksRefresh: float = setting(
        "After how long the set at jwks_url is fetched again. A key that is no longer in it is"
        " trusted no more.",
        Number("seconds", 10, 86_400, False),
        3600.0,
        key="jwks_refresh",
    )
    audience: str | None = setting(
        "What a token's aud must name. Where it is not set, aud is not looked at.",
        Text("an audience's name"),
        None,
    )
    issuer: str | None = setting(
        "What a token's iss must be. Where it is not set, iss is not looked at.",
        Text("an issuer's name"),
        None,
    )
    leeway: float = setting(
        "How far the issuer's clock may be off.", Number("seconds", 0, 600, False), 0.0
    )


@dataclass(frozen=True)
class ProjectConfig:
    """
    One project: its credentials, and who may connect.

    @ivar id: The id in C{projectId} and at the end of the project's topics.
    """

    id: str
    publicKey: str | None = setting(
        "The API key that clients carry. It is in every browser, so it is no secret.",
        Secret("an API key", prefix="pk_", private=False),
        None,
        show=False,
    )
    secretKey: str | None = setting(
        "The API key that your servers carry. It may do everything in the project.",
        Secret("an API key", prefix="sk_"),
        None,
        show=False,
    )
    jwt: JWTConfig | None = field(
        default=None,
        metadata={
            "doc": "How users' tokens are verified. Without it no token is accepted.",
            "kind": Section(JWTConfig),
            "key": None,
        },
    )
    anonymous: bool = setting(
        "Let clients connect without a key and without a token.", Flag(), False
    )
    origins: tuple[str, ...] = setting(
        "The web pages that may connect, by origin; 'https://*.example.com' is those of all"
        " subdomains, ['*'] is every page. Programs that are no browser send no origin and are"
        " not held to this.",
        Many(Origin()),
        (),
    )
    defaultRead: tuple[str, ...] = setting(
        "Which clients may read a table whose rule does not say it, or that has no rule.",
        Many(Word(READERS)),
        ("anonymous", "key"),
    )
    dbQuery: bool | None = setting(
        "Let servers with the secret key run SQL with db.query, on the whole database, the kept"
        " messages of all projects among it. Where it is not set, they may if there is no other"
        " project.",
        Flag(),
        None,
    )
    models: tuple[str, ...] = setting(
        "The models that the project's clients and servers may ask, by the names of their tables"
        " [ai.models.<name>].",
        Many(Text("a model's name")),
        (),
    )
    connections: int | None = setting(
        "How many connections the project may hold.",
        Number("connections", 1, 10_000_000, endless=True),
        None,
    )
    subscriptions: int | None = setting(
        "How many topics all of its connections together may be subscribed to.",
        Number("subscriptions", 1, 1_000_000_000, endless=True),
        None,
    )
    framesPerSecond: float | None = setting(
        "How many frames and HTTP requests a second all of its clients together may send for"
        " long, twice as many at once.",
        Number("frames a second", 0.1, 10_000_000, False, endless=True),
        None,
    )
    bytesPerSecond: int | None = setting(
        "How many bytes a second all of its clients together may send for long, twice as many"
        " at once.",
        Number("bytes a second", 1024, 1_000_000_000_000, endless=True),
        None,
    )
    tables: Mapping[str, TableConfig] | None = setting(
        "Rules for tables as the project sees them; they come before those for all projects.",
        Patterned(TableConfig),
        None,
    )
