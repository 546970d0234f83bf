"""
Lengths of text in UTF-16 code units.

JavaScript, Dart and Java count text so, and so does the wire: a character beyond U+FFFF has two.
"""

from __future__ import annotations


def units(text: str) -> int:
    """
    Give the length of a text in UTF-16 code units.
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def after(text: str, count: int) -> str | None:
    """
    Give a text without its first code units.

    @param count: How many UTF-16 code units to leave out.
    @return: L{None} if the text is shorter, or if the cut would split a character.
    """
    if text.isascii():
        return text[count:] if count <= len(text) else None
    # At most so many characters have that many units, and at least half as many.
    low = count // 2
    place, seen = low, units(text[:low])
    while seen < count and place < len(text):
        seen += 2 if text[place] > "\uffff" else 1
        place += 1
    return text[place:] if seen == count else None
