"""
The contrast of the colours of all pages, by the formula of WCAG 2.
"""

from __future__ import annotations

import re
from colorsys import hls_to_rgb

from twisted.trial.unittest import SynchronousTestCase

from tests.web import EXAMPLES, SHARED

TEXTS = ("text", "muted", "accent", "problem", "notice", "fine")
"""The colours of texts, which stand on each of L{GROUNDS}."""

GROUNDS = ("ground", "panel", "raised")

OWN = {
    "on-accent": "accent",
    "accent": "accent-ground",
    "problem": "problem-ground",
    "notice": "notice-ground",
    "fine": "fine-ground",
}
"""Texts on grounds of their own."""

PLAIN, LARGE = 4.5, 3.0
"""The least ratios for texts, and for edges and lines (WCAG 2, level AA)."""

Colour = tuple[float, float, float]

WHITE: Colour = (1, 1, 1)


def contrast(one: Colour, other: Colour) -> float:
    """
    The ratio of two colours.
    """
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _parse(text: str) -> Colour:
    red, green, blue = (int(text[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return red, green, blue


def palettes() -> dict[str, dict[str, Colour]]:
    """
    The colours of the light and of the dark palette, by their names.
    """
    light, dark = (SHARED / "palette.css").read_text().split("@media (prefers-color-scheme: dark)")
    found = {}
    for name, text in (("light", light), ("dark", dark)):
        pairs = re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text)
        found[name] = {each: _parse(colour) for each, colour in pairs}
    return found


class ContrastTests(SynchronousTestCase):
    """
    Tests for the palette, and for the colours of users.
    """

    def test_formula(self) -> None:
        """
        Black on white has the greatest contrast; a colour has none with itself.
        """
        self.assertAlmostEqual(contrast((0, 0, 0), WHITE), 21)
        self.assertEqual(contrast(WHITE, WHITE), 1)

    def test_texts(self) -> None:
        """
        Every text can be read on every ground, in light and dark colours.
        """
        for scheme, colours in palettes().items():
            pairs = [(text, ground) for text in TEXTS for ground in GROUNDS]
            for text, ground in (*pairs, *OWN.items()):
                ratio = contrast(colours[text], colours[ground])
                self.assertGreaterEqual(ratio, PLAIN, (scheme, text, ground))

    def test_edges(self) -> None:
        """
        The edges of fields and the lines of charts can be seen.
        """
        for scheme, colours in palettes().items():
            for name in ("edge", *(f"series-{n}" for n in (1, 2, 3, 4))):
                for ground in ("ground", "panel"):
                    ratio = contrast(colours[name], colours[ground])
                    self.assertGreaterEqual(ratio, LARGE, (scheme, name, ground))

    def test_users(self) -> None:
        """
        The initials and the name of a user can be read in each of the 360 colours of users.
        """
        css = (EXAMPLES / "examples.css").read_text()
        found = re.findall(r"hsl\(var\(--hue\) (\d+)% (\d+)%\)", css)
        self.assertEqual(len(found), 3)
        initials, light, dark = [tuple(int(n) / 100 for n in each) for each in found]
        for hue in range(360):
            for (saturation, lightness), other in (
                (initials, WHITE),
                (light, palettes()["light"]["panel"]),
                (dark, palettes()["dark"]["panel"]),
            ):
                colour = hls_to_rgb(hue / 360, lightness, saturation)
                self.assertGreaterEqual(contrast(colour, other), PLAIN, hue)
