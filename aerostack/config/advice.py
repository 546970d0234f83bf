"""
What the operator should change in a configuration with which the daemon runs all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from aerostack.core.topics.patterns import overlap
from aerostack.settings.addresses import isLoopback
from aerostack.settings.listen import Description, parseDescription
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import Config
from aerostack.settings.tables import TableConfig

Rules = Mapping[str, TableConfig]


def advise(config: Config) -> Iterator[str]:
    """
    Look for what is allowed, but is rarely meant or is unsafe.

    @return: One sentence for each such thing, which begins with its dotted key.
    """
    listen = [parseDescription(text) for text in config.server.listen]
    yield from _exposed(config, [each for each in listen if _isPublic(each)])
    projects = list(config.projects.values())
    yield from _rules(config, "tables", config.tables, projects)
    for project in projects:
        prefix = f"projects.{project.id}"
        yield from _rules(config, f"{prefix}.tables", project.tables or {}, [project])
        yield from _readers(f"{prefix}.default_read", project.defaultRead, [project])
        yield from _provider(f"{prefix}.jwt.jwks_url", project)


def _provider(key: str, project: ProjectConfig) -> Iterator[str]:
    """Look for keys that another machine on the way could replace."""
    url = None if project.jwt is None else project.jwt.jwksUrl
    if url is None:
        return
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and host != "localhost" and not isLoopback(host):
        yield (
            f"{key}: begins with http: who controls the network between can replace the keys, and"
            " sign tokens; use https"
        )


def _isPublic(description: Description) -> bool:
    """Whether other machines reach an address, as far as its description says."""
    interface = description.options.get("interface")
    return interface is not None and interface != "localhost" and not isLoopback(interface)


def _exposed(config: Config, public: list[Description]) -> Iterator[str]:
    """Look for what should not be reached from other machines."""
    if not public:
        return
    for project in config.projects.values():
        if project.anonymous:
            yield (
                f"projects.{project.id}.anonymous: is true, and other machines reach"
                f" {public[0].text}: every program there may connect without a key and without a"
                " token; turn it off, or listen with interface=127.0.0.1"
            )
    plain = [each for each in public if "privateKey" not in each.options]
    if plain and config.server.console == "everywhere":
        yield (
            f"server.console: is 'everywhere', and {plain[0].text} has no TLS: secret keys travel"
            " unencrypted; use ssl:, or set it to 'loopback'"
        )


def _rules(
    config: Config, prefix: str, rules: Rules, projects: list[ProjectConfig]
) -> Iterator[str]:
    """
    Look for rules that hold for no table or for no client.

    @param projects: Those that the rules are for.
    """
    for pattern, rule in rules.items():
        key = f"{prefix}.'{pattern}'"
        if not any(overlap(pattern, table) for table in config.tracker.tables):
            yield (
                f"{key}: no table that it is for is in tracker.tables, so clients cannot subscribe"
                " to one; name the tables there, or remove the rule"
            )
        yield from _readers(f"{key}.read", rule.read or (), projects)


def _readers(key: str, read: tuple[str, ...], projects: list[ProjectConfig]) -> Iterator[str]:
    """Look for words that mean clients which cannot exist."""
    if "token" in read and not any(project.jwt for project in projects):
        where = projects[0].id if len(projects) == 1 else "<id>"
        yield (
            f"{key}: names 'token', but no client can have a token without [projects.{where}.jwt]"
        )
    if read == ("anonymous",) and not any(project.anonymous for project in projects):
        yield f"{key}: names only 'anonymous', but no such client is let in"
