"""
The order of the rooms, and what the modules in them import.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import aerostack

SOURCE = Path(aerostack.__file__).parent

# Every package right under aerostack, from the ground up.  A room imports only from rooms
# that stand before it.
FLOORS = (
    ("errors", "settings"),
    ("core", "protocol", "interfaces"),
    ("auth", "delivery", "hub", "tables", "recovery", "streams", "sessions", "admin", "tracker"),
    ("engine", "workers", "databases", "process", "ai", "net"),
    ("config", "examples", "cli", "server"),
)
ROOMS = tuple(room for floor in FLOORS for room in floor)
RANKS = {name: rank for rank, name in enumerate(("", *ROOMS))}

PURE = ("core", "protocol", "interfaces")
TOP = ("config", "examples", "cli", "server")

# Each of these stands for one outside system, and does not know the others.
SEPARATE = ("engine", "workers", "databases", "process", "ai", "net")

# Beside the floors: the client stands on the vocabulary and the pure rooms, and the top floor may
# use it.  The pages hold no code.  The fakes may import every room, and no room imports them.
CLIENT, WEB, TESTING = "client", "web", "testing"

IMPURE = {
    *("twisted", "autobahn", "asyncio", "threading", "subprocess", "socket", "select", "ssl"),
    *("os", "io", "pathlib", "sqlite3", "time", "random", "secrets", "uuid", "logging"),
}

SQL = re.compile(
    r"\s*(SELECT\s.*\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s.*\sSET|DELETE\s+FROM|PRAGMA|BEGIN"
    r"|(CREATE|DROP|ALTER)\s+(TEMP\s+)?(TABLE|TRIGGER|INDEX|VIEW|UNIQUE))\s",
    re.S,
)

Import = tuple[str, int, bool]
"""What is imported, on which line, and whether at the module's own level."""


def modules() -> Iterator[tuple[str, Path]]:
    """
    Give every module of ours, by its dotted name within aerostack.
    """
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = {f"aerostack.{name}".rstrip(".") for name, _ in modules()}


@cache
def parse(source: str) -> ast.Module:
    """
    Parse a module.  Many tests look at the same modules.
    """
    return ast.parse(source)


@cache
def imports(source: str) -> tuple[Import, ...]:
    """
    What a module imports, also inside its functions; from a package of ours, the module
    that is meant.
    """

    def walk(node: ast.AST, own: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno, own) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                package = "." * child.level + (child.module or "")
                for alias in child.names:
                    name = f"{package}.{alias.name}"
                    ours = package == "aerostack" or package.startswith("aerostack.")
                    meant = package if ours and name not in NAMES else name
                    yield meant, child.lineno, own
            yield from walk(
                child, own and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            )

    return tuple(walk(parse(source), True))


def room(name: str) -> str:
    """
    Give the room of a module of ours; the empty string for the package itself.
    """
    return name.removeprefix("aerostack").strip(".").partition(".")[0]


def faults(importer: str, source: str) -> Iterator[str]:
    """
    Describe each forbidden import of a module in one sentence.

    @param importer: The module's dotted name within aerostack.
    """
    here = room(importer)
    for name, line, _ in imports(source):
        if name.startswith("."):
            yield f"{importer}:{line} imports {name}; write the whole name"
        if name.partition(".")[0] != "aerostack":
            continue
        there = room(name)
        if here in (there, TESTING):
            continue
        if here == CLIENT:
            allowed = RANKS.get(there, 99) <= RANKS["interfaces"]
        elif there in (CLIENT, TESTING, WEB):
            allowed = there == CLIENT and here in TOP
        else:
            allowed = RANKS[there] < RANKS[here] and not (here in SEPARATE and there in SEPARATE)
        if not allowed:
            yield f"{importer}:{line} imports {name}"


def graph() -> dict[str, set[str]]:
    """
    By each module of ours, the modules of ours that it imports, also inside its functions and
    behind C{TYPE_CHECKING}.
    """
    return {
        f"aerostack.{importer}".rstrip("."): {
            name for name, _, _ in imports(path.read_text()) if name in NAMES
        }
        for importer, path in modules()
    }


def defined(module: str) -> set[str]:
    """
    Give the names that a module of ours defines, by its whole name.
    """
    path = SOURCE.parent.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in parse(source.read_text()).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", ())
        found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


def circles(edges: Mapping[str, Collection[str]]) -> list[list[str]]:
    """
    The strongly connected components of a graph that have a circle (Tarjan's algorithm).

    @param edges: By each node, the nodes that it leads to.
    @return: The nodes of each component, sorted.
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        path.append(node)
        for other in edges.get(node, ()):
            if other not in number:
                visit(other)
            if other in path:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            start = path.index(node)
            component = sorted(path[start:])
            del path[start:]
            if len(component) > 1 or node in edges.get(node, ()):
                found.append(component)

    for node in edges:
        if node not in number:
            visit(node)
    return sorted(found)


def imported(packages: set[str]) -> dict[str, list[str]]:
    """
    Which modules import from some packages, and what.
    """
    found: dict[str, list[str]] = {}
    for importer, path in modules():
        for name, _, _ in imports(path.read_text()):
            if any(name == package or name.startswith(f"{package}.") for package in packages):
                found.setdefault(importer, []).append(name)
    return found


def requirements(text: str) -> set[str]:
    """
    The names of the distributions in a list of requirements, in small letters.
    """
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in text.split()}
