"""Colours: of kinds, of sizes of adjoints, of levels; on a light and on a dark background.

The hues are those of Okabe and Ito (2008, "Color Universal Design"), which all eyes tell apart; the
scales are the map cividis (Nuñez, Anderton and Renslow 2018), which looks the same to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["THEMES", "Theme", "contrast", "scale"]

Rgb = tuple[float, float, float]

HUES = {
    "parameter": "#0072b2", "input": "#009e73", "constant": "#808080", "arithmetic": "#e69f00",
    "function": "#cc79a7", "linear": "#56b4e9", "reduction": "#d55e00", "other": "#f0e442",
    "module": "#808080", "instruction": "#56b4e9",
}  # fmt: skip

CIVIDIS = ("#00224e", "#1d3f6f", "#575d6d", "#7d7c78", "#a59c74", "#d2c060", "#fee838")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a background and of what is written on it.

    Attributes
    ----------
    name, background, text, faint, adjoint : str
        The last is the colour of adjoints and derivatives.
    share : float
        How much of a hue is in the fill of a node; the rest is the background.
    """

    name: str
    background: str
    text: str
    faint: str
    adjoint: str
    share: float

    def fill(self, kind: str) -> str:
        """Return the fill of a node of this kind."""
        return mix(HUES[kind], self.background, self.share)

    def border(self, kind: str) -> str:
        """Return the border of a node of this kind."""
        return mix(HUES[kind], self.text, 0.8)


THEMES = {
    "light": Theme("light", "#ffffff", "#1a1a1a", "#595959", "#a40000", 0.2),
    "dark": Theme("dark", "#16181d", "#f2f2f2", "#b0b0b0", "#ffb39e", 0.25),
}


def rgb(color: str) -> Rgb:
    """Return a colour ``#rrggbb`` as three numbers from 0 to 1."""
    r, g, b = (int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return r, g, b


def mix(one: str, other: str, share: float) -> str:
    """Return a colour between two: `share` of the first."""
    parts = (share * a + (1 - share) * b for a, b in zip(rgb(one), rgb(other), strict=True))
    return "#" + "".join(f"{round(255 * x):02x}" for x in parts)


def scale(x: float) -> str:
    """Return the colour of a number from 0 (dark) to 1 (bright) on the scale."""
    place = min(max(x, 0.0), 1.0) * (len(CIVIDIS) - 1)
    k = min(int(place), len(CIVIDIS) - 2)
    return mix(CIVIDIS[k + 1], CIVIDIS[k], place - k)


def luminance(color: str) -> float:
    """Return the relative luminance (WCAG 2.2) of a colour."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(color))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """Return the contrast (WCAG 2.2) of two colours, from 1 to 21; text needs 4.5.

    Examples
    --------
    >>> from tinygrad_lecture.draw.colors import contrast
    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def writing(fill: str) -> str:
    """Return the colour of text that is read best on a fill."""
    return max(("#000000", "#ffffff"), key=lambda color: contrast(color, fill))
