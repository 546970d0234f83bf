"""
Tests for L{aerostack.net.http.tarball}.
"""

from __future__ import annotations

import gzip
import io
import tarfile

from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.http.tarball import packTarball


class TarballTests(SynchronousTestCase):
    """
    Tests for L{packTarball}.
    """

    def test_content(self) -> None:
        """
        A tarball has every file, also a long one, in the folder where npm looks for it.
        """
        files = {"package.json": b"{}", "long.js": bytes(range(256)) * 1000, "empty.js": b""}
        with tarfile.open(fileobj=io.BytesIO(packTarball(files)), mode="r:gz") as archive:
            for name, content in files.items():
                entry = archive.getmember(f"package/{name}")
                file = archive.extractfile(entry)
                assert file is not None
                self.assertEqual((file.read(), entry.mode), (content, 0o644), name)
            self.assertEqual(len(archive.getnames()), len(files))

    def test_same(self) -> None:
        """
        The same files give the same bytes, in whatever order they come.
        """
        one = packTarball({"a.js": b"1", "b.js": b"2"})
        self.assertEqual(one, packTarball({"b.js": b"2", "a.js": b"1"}))
        self.assertNotEqual(one, packTarball({"a.js": b"1", "b.js": b"3"}))

    def test_uncompressed(self) -> None:
        """
        No byte depends on the compressor of this machine.
        """
        packed = packTarball({"a.js": b"x" * 100_000})
        content = gzip.decompress(packed)
        blocks = -(-len(content) // 0xFFFF)
        self.assertEqual(len(packed), 10 + 5 * blocks + len(content) + 8)
