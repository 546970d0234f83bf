"""
Characters that a text from elsewhere must not bring into a line of a log or of a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping

ESCAPES: Mapping[int, str] = {
    code: f"\\u{code:04x}"
    for code in (
        *(*range(0x20), *range(0x7F, 0xA0)),
        *(*range(0x2028, 0x202F), *range(0x2066, 0x206A)),
    )
}
"""
For C{str.translate}: an escape for each character that begins a new line somewhere, talks to a
terminal, or turns the direction of what follows (UAX #9).  In JSON's strings, where alone such
characters occur, the escapes are valid JSON.
"""
