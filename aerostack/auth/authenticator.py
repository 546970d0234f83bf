"""
Decides which clients may connect, and as which user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from types import MappingProxyType

from aerostack.auth.keysets import KeySets, urlsOf
from aerostack.auth.origins import matchOrigin, originRefused
from aerostack.auth.tokens import (
    PROJECT_CLAIM,
    TokenVerifier,
    claimedProject,
    fingerprint,
    tokenId,
)
from aerostack.core.access.permissions import Identity, Proof, Role, allowedByClaims
from aerostack.core.access.revocations import Revocations
from aerostack.core.topics.topics import checkUser
from aerostack.errors import RealtimeError
from aerostack.settings.projects import ProjectConfig

ANONYMOUS_PREFIX = "anonymous:"
"""The prefix of a user's name from the URL, in a project whose other users have tokens.  It keeps
such a user from posing as one of the others."""


@dataclass(frozen=True)
class Credentials:
    """
    The credentials that a client sent, before they are verified.

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
    Accepts or refuses credentials, by the projects of the configuration.

    @ivar projects: The projects by id.
    @ivar keysChanged: Called when keys came that were fetched, or were taken away.
    @ivar revocations: The tokens that are refused although they are valid by themselves.
    """

    def __init__(
        self,
        projects: Mapping[str, ProjectConfig],
        revocations: Revocations | None = None,
        keySets: KeySets | None = None,
    ) -> None:
        """
        @param keySets: Fetches the key sets of projects; L{None} if none is fetched.
        """
        self._keySets = keySets
        if keySets is not None:
            keySets.changed = self._changed
        self.keysChanged: Callable[[], object] = lambda: None
        self.revocations = Revocations() if revocations is None else revocations
        self.reload(projects)

    def reload(self, projects: Mapping[str, ProjectConfig]) -> None:
        """
        Use these projects from now on.
        """
        self.projects = projects
        self._keys = {
            project.id: {
                fingerprint(key)
                for key in (project.publicKey, project.secretKey)
                if key is not None
            }
            for project in projects.values()
        }
        tokens = {each.id: each.jwt for each in projects.values() if each.jwt is not None}
        if self._keySets is not None:
            self._keySets.use(urlsOf(tokens.values()))
        self._verifiers = {
            name: TokenVerifier(config, self._keySets) for name, config in tokens.items()
        }

    def _changed(self, url: str) -> None:
        """Go by the keys that were fetched."""
        for project in self.projects.values():
            if project.jwt is not None and project.jwt.jwksUrl == url:
                self._verifiers[project.id] = TokenVerifier(project.jwt, self._keySets)
        self.keysChanged()

    def identify(self, credentials: Credentials, now: float) -> Identity:
        """
        Verify a client's credentials.

        @param now: Seconds since the epoch.
        @raise RealtimeError: C{unauthorized}, C{invalid_token}, C{token_expired},
            C{token_revoked}, C{keys_unavailable}, L{KeysAwaited}, C{unknown_project},
            C{wrong_project}, C{origin_not_allowed} or C{invalid_arguments} (no credential names a
            project).
        """
        keyProject, keyRole = self._byKey(credentials.key)
        project = self._project(credentials, keyProject)
        self._checkOrigin(project, credentials.origin, keyRole)
        key = None if credentials.key is None else fingerprint(credentials.key)
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

    def reauthorize(self, identity: Identity) -> None:
        """
        Make sure that the credentials of a connected client still hold.

        @raise RealtimeError: C{unknown_project}, C{origin_not_allowed}, C{unauthorized} or, where
            another token may do, C{invalid_token}.
        """
        project, proof = self._ofIdentity(identity), identity.proof
        self._checkOrigin(project, proof.origin, None)
        if proof.key is not None and proof.key not in self._keys[project.id]:
            raise RealtimeError("unauthorized", "The API key is not the project's any more.")
        if proof.signer is not None:
            verifier = self._verifiers.get(project.id)
            if verifier is not None and verifier.isAwaiting:
                # A reload named this key set, which may have the key; clients are judged by it.
                return
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

        @raise RealtimeError: C{invalid_token}, C{token_expired}, C{token_revoked},
            C{wrong_project} or C{unknown_project} (it was taken out of the configuration).
        """
        fresh = self._byToken(self._ofIdentity(identity), token, identity.proof, now)
        return _asServer(fresh) if identity.role is Role.SECRET else fresh

    def concerned(self, credentials: Credentials) -> str | None:
        """
        Find the project that a refused client wanted, whether or not its credentials hold.

        @return: L{None} if they name no project of this daemon.
        """
        byKey = None if credentials.key is None else self._findKey(credentials.key)
        named = (
            credentials.projectId,
            None if byKey is None else byKey[0].id,
            claimedProject(credentials.token),
        )
        return next((each for each in named if each in self.projects), None)

    def _ofIdentity(self, identity: Identity) -> ProjectConfig:
        project = self.projects.get(identity.project)
        if project is None:
            raise RealtimeError("unknown_project", "The connection's project is gone.")
        return project

    def originAllowed(self, origin: str) -> bool:
        """
        Whether any project allows pages of an origin.  HTTP answers need this before the client has
        sent a credential.
        """
        return any(matchOrigin(project.origins, origin) for project in self.projects.values())

    def bearer(self, value: str) -> Credentials:
        """
        Decide whether the value of C{Authorization: Bearer} is an API key or a token.
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
        Find the project and the role of an API key.

        Every key of every project is compared in constant time, so that the duration does not help
        to guess a key.
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
                ("the token", claimedProject(credentials.token)),
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
            raise originRefused(origin, project.id)
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
        identity = Identity(
            project.id,
            Role.TOKEN,
            claims["sub"],
            claims.get("exp"),
            allowed,
            MappingProxyType(claims),
            replace(proof, signer=signer, issued=verifier.issued(claims), tokenId=tokenId(claims)),
        )
        self.checkToken(identity, now)
        return identity

    def checkToken(self, identity: Identity, now: float) -> None:
        """
        Make sure that a client's token was not revoked since.

        @param now: Seconds since the epoch.
        @raise RealtimeError: C{token_revoked}.
        """
        self.revocations.check(identity, now)


def _asServer(identity: Identity) -> Identity:
    """The identity of a client with the secret key and a token: the token only names the user."""
    return Identity(
        identity.project, Role.SECRET, identity.userId, identity.expires, proof=identity.proof
    )
