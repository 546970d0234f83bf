"""
Tests for what is published: L{release.distributions}.
"""

from __future__ import annotations

import re
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import PurePath

from twisted.trial.unittest import SynchronousTestCase

from release.distributions import ROOT, SHARED, clientFiles
from tests.layers import imports, requirements


class ClientTests(SynchronousTestCase):
    """
    Tests for the client's distribution.
    """

    def setUp(self) -> None:
        self.client, self.daemon = (
            ConfigParser(interpolation=None),
            ConfigParser(interpolation=None),
        )
        self.client.read(ROOT / "release" / "client.cfg")
        self.daemon.read(ROOT / "setup.cfg")
        base = self.client["options"]["install_requires"].split()
        extra = self.client["options.extras_require"]["realtime"].split()
        self.requires = [*base, *extra]

    def test_versions(self) -> None:
        """
        The client requires the versions that the daemon requires.
        """
        daemon = self.daemon["options"]["install_requires"].split()
        self.assertEqual(set(self.requires) - set(daemon), set())

    def test_required(self) -> None:
        """
        The client requires every distribution that its modules import, and no other.
        """
        roots = {
            name.partition(".")[0]
            for path in clientFiles()
            if path.endswith(".py")
            for name, _, _ in imports((ROOT / path).read_text())
        }
        found = packages_distributions()
        imported = [
            {distribution.lower() for distribution in found[root]}
            for root in roots - sys.stdlib_module_names - {"aerostack"}
        ]
        wanted = requirements("\n".join(self.requires))
        self.assertEqual([names for names in imported if not names & wanted], [])
        self.assertEqual(wanted - set().union(*imported), set())

    def test_light(self) -> None:
        """
        The client has the vocabulary and the pure rooms that it uses, and no live room.
        """
        rooms = {path.split("/")[1] for path in clientFiles()}
        self.assertEqual(
            {room for room in rooms if "." not in room},
            {"client", "core", "protocol", "settings"},
        )

    def test_described(self) -> None:
        """
        Both distributions are published with the same licence for the same versions of Python.
        """
        for section, key in (("metadata", "license"), ("options", "python_requires")):
            self.assertEqual(self.client[section][key], self.daemon[section][key])


class PackageTests(SynchronousTestCase):
    """
    Tests for the package of a checkout.
    """

    def test_manual(self) -> None:
        """
        The package has the sources of every page of the documentation, and what they include, at
        the same places as the checkout.
        """
        setup = ConfigParser(interpolation=None)
        setup.read(ROOT / "setup.cfg")
        beside = {
            (PurePath(folder).relative_to(SHARED) / path.name).as_posix()
            for folder, patterns in setup["options.data_files"].items()
            if folder.startswith(SHARED)
            for pattern in patterns.split()
            for path in ROOT.glob(pattern)
        }
        pages = sorted((ROOT / "docs").glob("*.rst"))
        needed = {f"docs/{page.name}" for page in pages}
        for page in pages:
            needed |= {
                name.removeprefix("../")
                for name in re.findall(r"^\.\. include:: (\S+)$", page.read_text(), re.MULTILINE)
            }
        self.assertGreater(len(needed), 30)
        self.assertEqual(needed - beside, set())
