"""
The client as the file that C{npm install} takes.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Mapping

_WRITTEN = 499162500
"""The time of each file, in seconds since the epoch: the one that npm itself writes."""

# RFC 1952: deflated, without a name and a time, from an unknown system.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

_STORED = 0xFFFF
"""The most bytes of a block that is not compressed."""


def packTarball(files: Mapping[str, bytes]) -> bytes:
    """
    Pack the files of an npm package.

    The same files always give the same bytes, so that the checksums in lock files hold.  They hold
    from machine to machine, because nothing is compressed: the output of zlib differs from version
    to version.

    @param files: The contents by name.
    @return: A tar archive in the form of gzip.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size, entry.mtime, entry.mode = len(files[name]), _WRITTEN, 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return _store(packed.getvalue())


def _store(content: bytes) -> bytes:
    """Give a content the form of gzip, without compressing it."""
    blocks = [content[at : at + _STORED] for at in range(0, len(content), _STORED)]
    parts = [_HEAD]
    for number, block in enumerate(blocks, 1):
        size = len(block)
        # RFC 1951, 3.2.4: whether it is the last block, its size, and the inverted size.
        parts += [
            bytes([number == len(blocks)]),
            size.to_bytes(2, "little"),
            (size ^ _STORED).to_bytes(2, "little"),
            block,
        ]
    parts += [number.to_bytes(4, "little") for number in (zlib.crc32(content), len(content))]
    return b"".join(parts)
