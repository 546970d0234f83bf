"""
Tests that each room imports only what it may import.
"""

from __future__ import annotations

import ast
import re
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions

from twisted.trial.unittest import SynchronousTestCase

import aerostack
from tests.layers import (
    CLIENT,
    IMPURE,
    NAMES,
    PURE,
    RANKS,
    ROOMS,
    SOURCE,
    SQL,
    TESTING,
    WEB,
    circles,
    defined,
    faults,
    graph,
    imported,
    imports,
    modules,
    parse,
    requirements,
    room,
)


class LayerTests(SynchronousTestCase):
    """
    Tests for the floors.
    """

    def test_placed(self) -> None:
        """
        Every module and package belongs to a room, and every room has a module.
        """
        self.assertEqual({room(name) for name, _ in modules()}, {*RANKS, CLIENT, WEB, TESTING})

    def test_downwards(self) -> None:
        """
        No room imports from above, and pure rooms and adapters do not import each other.
        """
        found = [fault for name, path in modules() for fault in faults(name, path.read_text())]
        self.assertEqual(found, [])

    def test_circles(self) -> None:
        """
        No modules import each other in a circle, also not inside functions or behind
        C{TYPE_CHECKING}.
        """
        self.assertEqual(circles(graph()), [])

    def test_documented(self) -> None:
        """
        The package's docstring names the rooms in the order of this table.
        """
        floors = (aerostack.__doc__ or "").partition("\n0. ")[2].partition("\n\n")[0]
        named = re.findall(r"L\{aerostack\.(\w+)\}", floors)
        self.assertEqual(tuple(named), ROOMS)

    def test_web(self) -> None:
        """
        The room for browsers has files, and no Python code.
        """
        self.assertTrue(list((SOURCE / WEB).rglob("*.js")))
        for path in (SOURCE / WEB).rglob("*.py"):
            self.assertEqual(path.name, "__init__.py")
            self.assertEqual(len(parse(path.read_text()).body), 1, path.name)


class OutsideTests(SynchronousTestCase):
    """
    Tests for imports from outside the package.
    """

    def test_pure(self) -> None:
        """
        The pure rooms have no I/O, no clock, no randomness, no log and no threads.
        """
        found = imported(IMPURE)
        self.assertEqual({n: w for n, w in found.items() if room(n) in PURE}, {})

    def test_autobahn(self) -> None:
        """
        Only the WebSocket server and our own client import Autobahn.
        """
        found = imported({"autobahn", "txaio"})
        where = {".".join(name.split(".")[:-1]) or name for name in found}
        self.assertEqual(where, {"net.websocket", CLIENT})

    def test_prometheus(self) -> None:
        """
        Only the module that serves the metrics imports Prometheus' library.
        """
        self.assertEqual(set(imported({"prometheus_client"})), {"net.http.metrics"})

    def test_database(self) -> None:
        """
        One module has the thread pool.  Only the databases import drivers; the fakes may import
        SQLite's.
        """
        self.assertEqual(set(imported({"twisted.enterprise"})), {"databases.pool"})
        for name in imported({"sqlite3"}):
            self.assertIn(room(name), ("databases", TESTING), name)
        for name in imported({"psycopg"}):
            self.assertIn(room(name), ("databases",), name)

    def test_withoutPostgreSQL(self) -> None:
        """
        PostgreSQL's driver is optional: no module that works without it imports it.
        """
        own = {
            f"aerostack.{name}": {meant for meant, _, own in imports(path.read_text()) if own}
            for name, path in modules()
        }
        bound: set[str] = set()
        while more := {
            name
            for name, meant in own.items()
            if name not in bound and any(m in bound or m.startswith("psycopg") for m in meant)
        }:
            bound |= more
        self.assertIn("aerostack.databases.postgres.query", bound)
        self.assertEqual({room(name) for name in bound}, {"databases"})

    def test_valkey(self) -> None:
        """
        Valkey's driver is optional: only the engine on Valkey imports it, and its address can be
        parsed without it.
        """
        drivers = {"engine.valkey.resp", "engine.valkey.probe"}
        self.assertEqual(set(imported({"hiredis"})), drivers)
        self.assertEqual(
            [name for name in graph()["aerostack.engine.valkey.address"] if "valkey" in name], []
        )

    def test_required(self) -> None:
        """
        The package requires every distribution that a module imports, and no other.
        """
        setup = ConfigParser(interpolation=None)
        setup.read(SOURCE.parent / "setup.cfg")
        required = requirements(setup["options"]["install_requires"])
        extras = setup["options.extras_require"]
        optional = requirements(extras["postgres"]) | requirements(extras["valkey"])
        roots = {
            name.partition(".")[0]
            for _, path in modules()
            for name, _, _ in imports(path.read_text())
        }
        distributions = {
            # What is not installed here goes by its own name.
            root: {name.lower() for name in packages_distributions().get(root, [root])}
            for root in roots - sys.stdlib_module_names - {"aerostack"}
        }
        missing = [
            root for root, names in distributions.items() if not names & (required | optional)
        ]
        self.assertEqual(missing, [])
        self.assertEqual(required - set().union(*distributions.values()), set())

    def test_sql(self) -> None:
        """
        Only the databases and the examples have SQL.
        """
        found = set()
        for name, path in modules():
            for node in ast.walk(parse(path.read_text())):
                if isinstance(node, ast.Constant) and SQL.match(f"{node.value} "):
                    found.add(room(name))
        self.assertEqual(found, {"databases", "examples"})

    def test_reactor(self) -> None:
        """
        Importing a module of ours installs no reactor.
        """
        for name, path in modules():
            for meant, line, own in imports(path.read_text()):
                self.assertFalse(own and meant == "twisted.internet.reactor", f"{name}:{line}")


class DocstringTests(SynchronousTestCase):
    """
    Tests for the docstring of every module.
    """

    def test_sentence(self) -> None:
        """
        The docstring of every module and package begins with at least one whole sentence.
        """
        sentence = re.compile(r"\S+(\s+\S+){2,}?[.:](\s|\Z)")
        docstrings = {name: ast.get_docstring(parse(p.read_text())) for name, p in modules()}
        silent = [name for name, text in docstrings.items() if not sentence.match(text or "")]
        self.assertEqual(silent, [])

    def test_links(self) -> None:
        """
        Every full name of ours in a docstring or a comment exists.
        """
        lost = []
        for name, path in modules():
            for link in re.findall(r"L\{(?:[^{}<]*<)?(aerostack[\w.]*)", path.read_text()):
                module, rest = link, ""
                while module not in NAMES:
                    module, _, last = module.rpartition(".")
                    rest = last if not rest else f"{last}.{rest}"
                if rest and rest.partition(".")[0] not in defined(module):
                    lost.append(f"{name} names {link}")
        self.assertEqual(lost, [])


class WalkTests(SynchronousTestCase):
    """
    Tests that these tests find what they should find.
    """

    def test_everywhere(self) -> None:
        """
        An import is found at any place, and so is whether importing the module carries it out.
        """
        source = (
            "import a.b as c, d\n"
            "from aerostack import hub, __version__\n"
            "from aerostack.hub.hub import Hub\n"
            "from twisted.internet import reactor\n"
            "class E:\n"
            "    import e\n"
            "    def f(self):\n"
            "        if self:\n"
            "            from . import g\n"
        )
        self.assertEqual(
            list(imports(source)),
            [
                ("a.b", 1, True),
                ("d", 1, True),
                ("aerostack.hub", 2, True),
                ("aerostack", 2, True),
                ("aerostack.hub.hub", 3, True),
                ("twisted.internet.reactor", 4, True),
                ("e", 6, True),
                ("..g", 9, False),
            ],
        )

    def test_circles(self) -> None:
        """
        Every circle is found once.  A module that only leads to a circle is not part of it.
        """
        edges = {"a": "b", "b": "cx", "c": "d", "d": "b", "e": "e", "f": "a", "x": "", "y": "z"}
        self.assertEqual(circles(edges), [["b", "c", "d"], ["e"]])
        self.assertEqual(circles({"a": "bc", "b": "d", "c": "d", "d": ""}), [])
        self.assertEqual(circles({"a": "bc", "b": "", "c": "ab"}), [["a", "c"]])

    def test_faults(self) -> None:
        """
        Every forbidden import is found.
        """
        for importer, name in (
            ("errors", "core.topics.topics"),
            ("core.topics.topics", "protocol.codec"),
            ("hub.hub", "sessions.session"),
            ("delivery.outbound", "hub.encoding"),
            ("hub.hub", "databases.history"),
            ("sessions.session", "server.service"),
            ("net.http.api", "databases.history"),
            ("tracker.tracker", "databases.pool"),
            ("databases.open", "process.logs"),
            ("net.http.api", "config.loader"),
            ("hub.hub", "testing"),
            ("server.service", "testing"),
            ("sessions.session", "client.connection"),
            ("client.connection", "hub.hub"),
            ("client.connection", "config.loader"),
        ):
            inside = f"def f():\n    from aerostack.{name} import x\n"
            self.assertEqual(len(list(faults(importer, inside))), 1, (importer, name))
        for importer, name in (
            ("core.topics.topics", "errors"),
            ("protocol.encoding", "core.replay.positions"),
            ("sessions.session", "hub.hub"),
            ("net.http.api", "net.http.base"),
            ("server.service", "cli"),
            ("cli", "client.address"),
            ("client.connection", "protocol.codec"),
            ("testing", "server.service"),
        ):
            self.assertEqual(list(faults(importer, f"import aerostack.{name}")), [], importer)
