"""
The key sets that identity providers publish, as far as they were fetched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.auth.webkeys import readFetched
from aerostack.errors import RealtimeError

COOLDOWN = 10.0
"""Seconds between two fetches for tokens with unknown keys, which any client can make up."""

RETRY = 30.0
"""Seconds until a set is fetched again that could not be fetched."""

RETRY_AFTER = 10_000
"""Milliseconds after which a client tries again while the provider does not answer."""

REMEMBERED = 1000
"""How many unknown keys of tokens a set remembers between two fetches."""

AT_ONCE = 50
"""How many of those that wait for a set go on in one turn: each of them verifies a token."""


class KeysAwaited(RealtimeError):
    """
    A token has a key that is not known yet, and the set of keys is being fetched.

    @ivar fetched: Fires with L{None} when that is over, whether it has worked or not.
    """

    def __init__(self, fetched: Deferred[None]) -> None:
        super().__init__("keys_unavailable", *_UNAVAILABLE)
        self.fetched = fetched


_UNAVAILABLE = (
    "The identity provider did not answer, so a token with a new key cannot be verified now.",
    RETRY_AFTER,
)


def _tooSoon(seconds: float) -> RealtimeError:
    """
    The error for a token with an unknown key, if the set was fetched just before the token came.
    """
    return RealtimeError(
        "keys_unavailable",
        "The token has a key that the identity provider's set did not have just now; the daemon"
        " fetches the set again soon.",
        max(1, round(seconds * 1000)),
    )


def noKeys() -> RealtimeError:
    """
    The error for a token whose key cannot be fetched now.
    """
    return RealtimeError("keys_unavailable", *_UNAVAILABLE)


class KeySource:
    """
    One key set.

    @ivar keys: The set as it was fetched last; L{None} before.
    @ivar isGood: Whether the last fetch has worked.
    @ivar hasFailed: Whether any fetch has failed.
    """

    def __init__(self, url: str, refresh: float) -> None:
        """
        @param refresh: Seconds after which a set is fetched again.
        """
        self.url = url
        self.refresh = refresh
        self.keys: Mapping[str, Any] | None = None
        self.isGood = self.hasFailed = False
        # When it was last asked for.
        self.tried: float | None = None
        self.timer: IDelayedCall | None = None
        self.running: Deferred[bytes] | None = None
        self.waiting: list[Deferred[None]] = []
        # Those that have waited long enough, and the call that lets some of them go on.
        self.leaving: deque[Deferred[None]] = deque()
        self.leave: IDelayedCall | None = None
        # The unknown keys that tokens had before the last fetch began, and since.
        self.sought: frozenset[bytes] = frozenset()
        self.unknown: set[bytes] = set()


class KeySets:
    """
    Fetches the key sets, and keeps them until newer ones come.  While a provider does not answer,
    the keys that are known go on.

    @ivar changed: Called with the URL of a set that has changed.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, fetch: Callable[[str], Deferred[bytes]]) -> None:
        """
        @param fetch: Gets what is at a URL, bounded in bytes and in time; never at once.  It fails
            with L{ValueError}, whose message says why.
        """
        self._clock = clock
        self._fetch = fetch
        self._sources: dict[str, KeySource] = {}
        self._isRunning = False
        self.changed: Callable[[str], object] = lambda url: None

    def use(self, wanted: Mapping[str, float]) -> None:
        """
        Have these key sets from now on, and no others.

        @param wanted: For each URL the seconds after which it is fetched again.
        """
        for url in self._sources.keys() - wanted.keys():
            self._drop(self._sources.pop(url))
        for url, refresh in wanted.items():
            source = self._sources.get(url)
            if source is None:
                source = self._sources[url] = KeySource(url, refresh)
                if self._isRunning:
                    self._begin(source)
            source.refresh = refresh
            timer, now = source.timer, self._clock.seconds()
            if timer is not None and timer.active() and timer.getTime() > now + refresh:
                timer.reset(refresh)

    def start(self) -> None:
        """
        Begin to fetch.
        """
        self._isRunning = True
        for source in self._sources.values():
            self._begin(source)

    def stop(self) -> None:
        """
        Fetch no more.
        """
        self._isRunning = False
        for source in self._sources.values():
            self._drop(source)

    def of(self, url: str) -> Mapping[str, Any] | None:
        """
        A key set; L{None} if none has come yet.
        """
        source = self._sources.get(url)
        return None if source is None else source.keys

    def isAwaited(self, url: str) -> bool:
        """
        Whether a set is still being fetched for the first time.
        """
        source = self._sources.get(url)
        if source is None or not self._isRunning:
            return False
        return source.keys is None and not source.hasFailed

    def refuse(self, url: str, kid: str | None) -> RealtimeError:
        """
        Say what becomes of a token whose key is not in a set.

        @param kid: The key's id; L{None} if the token names none.
        @return: L{KeysAwaited} if the set is fetched for that; C{keys_unavailable} if it could not
            be fetched, or was fetched before somebody asked for the key, and so may have it at the
            next fetch; else C{invalid_token}.
        """
        source, now = self._sources.get(url), self._clock.seconds()
        if source is None or not self._isRunning:
            return noKeys()
        left = 0.0 if source.tried is None else source.tried + COOLDOWN - now
        name = _digest(kid)
        if name not in source.sought and len(source.unknown) < REMEMBERED:
            source.unknown.add(name)
        if source.running is None and left <= 0:
            source.unknown.add(name)
            self._begin(source)
        if source.running is not None:
            waiter: Deferred[None] = Deferred()
            source.waiting.append(waiter)
            return KeysAwaited(waiter)
        if not source.isGood:
            return noKeys()
        if name not in source.sought:
            return _tooSoon(left)
        return RealtimeError(
            "invalid_token",
            "The token is refused: its kid names no key of the identity provider's.",
        )

    def _begin(self, source: KeySource) -> None:
        """Fetch a set, unless that goes on already."""
        if source.running is not None:
            return
        if source.timer is not None and source.timer.active():
            source.timer.cancel()
        source.tried = self._clock.seconds()
        source.sought, source.unknown = frozenset(source.unknown), set()
        source.running = fetching = self._fetch(source.url)
        read: Deferred[Mapping[str, Any]] = fetching.addCallback(readFetched)
        read.addCallbacks(self._took, self._failed, (source, fetching), errbackArgs=(source,))
        read.addBoth(self._ended, source, fetching)

    def _took(self, keys: Mapping[str, Any], source: KeySource, fetching: Deferred[Any]) -> None:
        if source.running is not fetching:
            # The set is not used any more.
            return
        if not source.isGood:
            self.log.info("the key set at {url} was fetched", url=source.url)
        before, source.keys, source.isGood = source.keys, keys, True
        if keys != before:
            self.changed(source.url)

    def _failed(self, failure: Failure, source: KeySource) -> None:
        if failure.check(CancelledError):
            return
        failure.trap(ValueError)
        if source.isGood or source.keys is None:
            self.log.warn(
                "the key set at {url} cannot be fetched: {said}; {then}",
                url=source.url,
                said=failure.getErrorMessage(),
                then="no token can be verified" if source.keys is None else "the old keys hold on",
            )
        wasAwaited = self.isAwaited(source.url)
        source.isGood, source.hasFailed = False, True
        if wasAwaited:
            # Clients whose keys this set might have brought are judged now.
            self.changed(source.url)

    def _ended(self, result: object, source: KeySource, fetching: Deferred[Any]) -> object:
        if source.running is fetching:
            source.running = None
            again = source.refresh if source.isGood else min(RETRY, source.refresh)
            source.timer = self._clock.callLater(again, self._begin, source)
            self._release(source)
        return result

    def _release(self, source: KeySource) -> None:
        """Let those go on who have waited, some of them in each turn."""
        waiting, source.waiting = source.waiting, []
        source.leaving.extend(waiting)
        if source.leave is None:
            self._leave(source)

    def _leave(self, source: KeySource) -> None:
        some = [source.leaving.popleft() for _ in range(min(AT_ONCE, len(source.leaving)))]
        source.leave = self._clock.callLater(0, self._leave, source) if source.leaving else None
        for each in some:
            each.callback(None)

    def _drop(self, source: KeySource) -> None:
        if source.timer is not None and source.timer.active():
            source.timer.cancel()
        running, source.running = source.running, None
        if running is not None:
            running.cancel()
        if source.leave is not None:
            source.leave.cancel()
            source.leave = None
        waiting, source.waiting = [*source.leaving, *source.waiting], []
        source.leaving.clear()
        for each in waiting:
            each.callback(None)


def _digest(kid: str | None) -> bytes:
    """What is remembered of the id of an unknown key, which a client may have made up."""
    return blake2b((kid or "").encode("utf-8", "surrogatepass"), digest_size=16).digest()


def urlsOf(configs: Iterable[Any]) -> dict[str, float]:
    """
    The key sets that projects use, with the seconds after which each is fetched again.

    @param configs: The L{JWTConfig<aerostack.settings.projects.JWTConfig>} of projects.
    """
    wanted: dict[str, float] = {}
    for config in configs:
        if config.jwksUrl is not None:
            refresh = wanted.get(config.jwksUrl, config.jwksRefresh)
            wanted[config.jwksUrl] = min(refresh, config.jwksRefresh)
    return wanted
