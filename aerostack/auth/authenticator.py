"""
Who may come in, and as whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from hmac import compare_digest
from types import MappingProxyType
from typing import Any

import jwt
from jwt.algorithms import get_default_algorithms

from aerostack.auth.origins import canBeNamed, matchOrigin
from aerostack.core.access.permissions import Identity, Proof, Role, allowedByClaims
from aerostack.core.topics.topics import checkUser
from aerostack.errors import RealtimeError
from aerostack.settings.settings import JWTConfig, ProjectConfig

PROJECT_CLAIM = "projectId"
"""The claim by which a token names its project."""

ANONYMOUS_PREFIX = "anonymous:"
"""What stands before a user's name that only the URL vouches for, in a project
whose other users have tokens: so it can never pose as one of theirs."""


_SHOWN = 200
"""How many characters of what somebody brought are shown, where it is refused."""

_LATEST = 2**53
"""No time in a token lies further from the epoch, in seconds; infinity does."""


@dataclass(frozen=True)
class Credentials:
    """
    What somebody brought along, not yet believed.

    @ivar projectId: The project that the URL names.
    @ivar userId: The user that the URL names.
    @ivar key: An API key.
    @ivar token: A JWT.
    @ivar origin: The page that a browser says it comes from.
    """

    projectId: str | None = None
    userId: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    origin: str | None = None


class Authenticator:
    """
    Believes or refuses credentials, by the projects of the configuration.

    @ivar projects: By id; replaced when the configuration is read again.
    """

    def __init__(self, projects: Mapping[str, ProjectConfig]) -> None:
        self.load(projects)

    def load(self, projects: Mapping[str, ProjectConfig]) -> None:
        """
        Judge by these projects from now on.
        """
        self.projects = projects
        self._keys = {
            project.id: {
                _standsFor(key) for key in (project.publicKey, project.secretKey) if key is not None
            }
            for project in projects.values()
        }
        self._verifiers = {
            project.id: _Verifier(project.jwt)
            for project in projects.values()
            if project.jwt is not None
        }

    def identify(self, credentials: Credentials, now: float) -> Identity:
        """
        Find out who somebody is.

        @param now: Seconds since the epoch.
        @raise RealtimeError: C{unauthorized}, C{invalid_token}, C{token_expired},
            C{unknown_project}, C{wrong_project}, C{origin_not_allowed} or
            C{invalid_arguments} (nothing names a project).
        """
        keyProject, keyRole = self._byKey(credentials.key)
        project = self._project(credentials, keyProject)
        self._checkOrigin(project, credentials.origin, keyRole)
        key = None if credentials.key is None else _standsFor(credentials.key)
        proof = Proof(key, None, credentials.origin)
        if credentials.token is not None:
            identity = self._byToken(project, credentials.token, proof, now)
            return _asServer(identity) if keyRole is Role.SECRET else identity
        if keyRole is None and not project.anonymous:
            raise RealtimeError(
                "unauthorized",
                "Bring the project's key, a token, or both, as the subprotocols aerostack-key.KEY"
                " and aerostack-token.TOKEN, with aerostack-v1.",
            )
        userId = self._urlUser(project, credentials.userId)
        return Identity(project.id, keyRole or Role.ANONYMOUS, userId, proof=proof)

    def judge(self, identity: Identity) -> None:
        """
        Make sure that what let somebody in still does.

        @raise RealtimeError: C{unknown_project}, C{origin_not_allowed}, C{unauthorized} or, where
            another token may do, C{invalid_token}.
        """
        project, proof = self._ofIdentity(identity), identity.proof
        self._checkOrigin(project, proof.origin, None)
        if proof.key is not None and proof.key not in self._keys[project.id]:
            raise RealtimeError("unauthorized", "The API key is not the project's any more.")
        if proof.signer is not None:
            verifier = self._verifiers.get(project.id)
            if verifier is None or proof.signer not in verifier.signers:
                raise RealtimeError(
                    "invalid_token", "The key that the token is signed with is trusted no more."
                )
            return
        if identity.role is Role.ANONYMOUS and not project.anonymous:
            raise RealtimeError("unauthorized", "The project takes anonymous clients no longer.")
        name = identity.userId
        if name is not None:
            posing = project.jwt is not None and not name.startswith(ANONYMOUS_PREFIX)
            if posing or not project.anonymous:
                raise RealtimeError("unauthorized", "The user's name is not believed any more.")

    def refresh(self, identity: Identity, token: str, now: float) -> Identity:
        """
        Put a live connection under a new token.

        @raise RealtimeError: C{invalid_token}, C{token_expired}, C{wrong_project} or
            C{unknown_project} (it was taken out of the configuration).
        """
        fresh = self._byToken(self._ofIdentity(identity), token, identity.proof, now)
        return _asServer(fresh) if identity.role is Role.SECRET else fresh

    def _ofIdentity(self, identity: Identity) -> ProjectConfig:
        project = self.projects.get(identity.project)
        if project is None:
            raise RealtimeError("unknown_project", "The connection's project is gone.")
        return project

    def originAllowed(self, origin: str) -> bool:
        """
        Whether any project lets pages of an origin in; for answers that come
        before any credential does.
        """
        return any(matchOrigin(project.origins, origin) for project in self.projects.values())

    def bearer(self, value: str) -> Credentials:
        """
        Sort what came as C{Authorization: Bearer}: a key of ours, or a token.
        """
        known = self._findKey(value) is not None
        return (
            Credentials(key=value) if known or value.count(".") != 2 else Credentials(token=value)
        )

    def _byKey(self, key: str | None) -> tuple[ProjectConfig | None, Role | None]:
        if key is None:
            return None, None
        found = self._findKey(key)
        if found is None:
            raise RealtimeError("unauthorized", "That API key is not one of this daemon's.")
        return found

    def _findKey(self, key: str) -> tuple[ProjectConfig, Role] | None:
        """
        Find whose key it is.

        Every key of every project is compared, each in constant time, so that the
        time taken tells nothing of them.
        """
        given = key.encode("utf-8", "surrogatepass")
        found = None
        for project in self.projects.values():
            for known, role in ((project.publicKey, Role.PUBLIC), (project.secretKey, Role.SECRET)):
                if known is not None and compare_digest(known.encode(), given):
                    found = (project, role)
        return found

    def _project(self, credentials: Credentials, byKey: ProjectConfig | None) -> ProjectConfig:
        named = {
            name: value
            for name, value in (
                ("the URL's projectId", credentials.projectId),
                ("the key", byKey.id if byKey is not None else None),
                ("the token", _claimedProject(credentials.token)),
            )
            if value is not None
        }
        if len(set(named.values())) > 1:
            raise RealtimeError(
                "wrong_project", f"These name different projects: {', '.join(named)}."
            )
        for projectId in named.values():
            project = self.projects.get(projectId)
            if project is None:
                raise RealtimeError("unknown_project", "There is no project of that id here.")
            return project
        if credentials.token is not None and len(self._verifiers) == 1:
            return self.projects[next(iter(self._verifiers))]
        raise RealtimeError(
            "invalid_arguments",
            "Nothing names a project: add ?projectId=, bring a key, or a token with the claim"
            f" {PROJECT_CLAIM}.",
        )

    def _checkOrigin(
        self, project: ProjectConfig, origin: str | None, keyRole: Role | None
    ) -> None:
        if origin is None:
            return
        if not matchOrigin(project.origins, origin):
            setting = f"projects.{project.id}.origins"
            remedy = (
                f"add it to {setting}"
                if canBeNamed(origin)
                else f'serve the page over HTTP and add its origin to {setting}, or set ["*"] there'
            )
            raise RealtimeError(
                "origin_not_allowed", f"Pages of {origin[:_SHOWN]} are not let in; {remedy}."
            )
        if keyRole is Role.SECRET:
            raise RealtimeError(
                "forbidden", "The secret key has no place in a browser; use the public key there."
            )

    def _urlUser(self, project: ProjectConfig, userId: str | None) -> str | None:
        if not userId or not project.anonymous:
            return None
        try:
            checkUser(userId)
        except ValueError as error:
            raise RealtimeError("invalid_arguments", f"The URL's userId {error}.") from None
        return f"{ANONYMOUS_PREFIX}{userId}" if project.jwt is not None else userId

    def _byToken(self, project: ProjectConfig, token: str, proof: Proof, now: float) -> Identity:
        verifier = self._verifiers.get(project.id)
        if verifier is None:
            raise RealtimeError(
                "invalid_token", f"The project {project.id} takes no tokens; it has no jwt."
            )
        claims, signer = verifier.verify(token, now)
        claimed = claims.get(PROJECT_CLAIM)
        if claimed is not None and claimed != project.id:
            raise RealtimeError("wrong_project", "The token belongs to another project.")
        if claims["sub"].startswith(ANONYMOUS_PREFIX):
            raise RealtimeError(
                "invalid_token", f"A token's sub cannot begin with {ANONYMOUS_PREFIX}"
            )
        try:
            allowed = allowedByClaims(claims)
        except ValueError as error:
            raise RealtimeError("invalid_token", f"In the token, {error}.") from None
        return Identity(
            project.id,
            Role.TOKEN,
            claims["sub"],
            claims.get("exp"),
            allowed,
            MappingProxyType(claims),
            replace(proof, signer=signer),
        )


def _asServer(identity: Identity) -> Identity:
    """Who brings the secret key and a token: the token says no more than who it is."""
    return Identity(
        identity.project, Role.SECRET, identity.userId, identity.expires, proof=identity.proof
    )


def _standsFor(credential: str) -> str:
    """What can be remembered instead of a credential."""
    return blake2b(credential.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _claimedProject(token: str | None) -> str | None:
    """
    Read which project a token says it is for, to know whose key to check it with.
    Nothing else of an unchecked token is ever used.
    """
    if token is None:
        return None
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError, UnicodeEncodeError):
        return None
    claimed = claims.get(PROJECT_CLAIM)
    return claimed if isinstance(claimed, str) else None


class _Verifier:
    """
    Checks the tokens of one project.
    """

    def __init__(self, config: JWTConfig) -> None:
        self._config = config
        # By kid, each with what stands for it.
        self._keys: dict[str | None, tuple[Any, str]] = {}
        algorithm = get_default_algorithms()[config.algorithm]
        if config.jwks is not None:
            for key in jwt.PyJWKSet.from_dict(dict(config.jwks)).keys:
                if key.public_key_use not in (None, "sig"):
                    continue
                # A key set may hold keys of other kinds; no token names those.
                with suppress(TypeError, jwt.InvalidKeyError):
                    self._add(key.key_id, algorithm.prepare_key(key.key), str(key._jwk_data))
        else:
            self._add(None, algorithm.prepare_key(config.key), str(config.key))
        self.signers = frozenset(signer for _, signer in self._keys.values())

    def _add(self, kid: str | None, key: Any, text: str) -> None:
        # A token that is good for one audience or issuer is not for another.
        terms = (self._config.algorithm, self._config.audience, self._config.issuer)
        self._keys[kid] = key, _standsFor(f"{terms!r} {text}")

    def verify(self, token: str, now: float) -> tuple[dict[str, Any], str]:
        """
        Check a token's signature and times.

        Only the configured algorithm is accepted, whatever the token's header says,
        so neither C{none} nor an RSA key used as an HMAC secret gets anywhere
        (RFC 8725, 2.1 and 3.1).

        @return: The claims, of which C{sub} names a user; and what stands for the key.
        @raise RealtimeError: C{invalid_token} or C{token_expired}.
        """
        config = self._config
        try:
            key, signer = self._keyFor(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[config.algorithm],
                audience=config.audience,
                issuer=config.issuer,
                options={
                    "require": ["sub"],
                    "verify_aud": config.audience is not None,
                    # The times are judged below, by the clock that we are given.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            # What the token says of itself may be in it.
            said = str(error)[:_SHOWN]
            raise RealtimeError("invalid_token", f"The token is refused: {said}.") from None
        except (RecursionError, UnicodeEncodeError):
            raise RealtimeError("invalid_token", "The token is no JWT.") from None
        for name in ("exp", "nbf"):
            if not _isTime(claims.get(name, 0)):
                raise RealtimeError("invalid_token", f"The token's {name} is not a time.")
        if not isinstance(claims["sub"], str):
            raise RealtimeError("invalid_token", "The token's sub is not a string.")
        try:
            checkUser(claims["sub"])
        except ValueError as error:
            raise RealtimeError("invalid_token", f"The token's sub {error}.") from None
        if "exp" in claims:
            claims["exp"] += config.leeway
            if claims["exp"] <= now:
                raise RealtimeError("token_expired", "The token has expired; get a new one.")
        if claims.get("nbf", now) > now + config.leeway:
            raise RealtimeError("invalid_token", "The token is not valid yet.")
        return claims, signer

    def _keyFor(self, token: str) -> tuple[Any, str]:
        if len(self._keys) == 1:
            return next(iter(self._keys.values()))
        kid = jwt.get_unverified_header(token).get("kid")
        if kid not in self._keys:
            raise jwt.InvalidKeyError("its kid names no key of the key set")
        return self._keys[kid]


def _isTime(value: object) -> bool:
    """Whether a claim is a time (RFC 7519, 2: NumericDate)."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and -_LATEST <= value <= _LATEST
    )
