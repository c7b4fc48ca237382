"""Colours: of kinds, of sizes of adjoints, of levels; on a light and on a dark background.

The hues are those of Okabe and Ito (2008, "Color Universal Design").  The fills are tints of them,
moved as little as it takes for each two of them to differ by at least 12 in CIELAB for the usual
eye and for the three kinds of colour blindness (Machado, Oliveira and Fernandes 2009).  The scale
is the map cividis (Nuñez, Anderton and Renslow 2018), which looks the same to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["THEMES", "Theme", "contrast", "scale"]

Rgb = tuple[float, float, float]

HUES = {
    "parameter": "#0072b2", "input": "#009e73", "constant": "#808080", "arithmetic": "#e69f00",
    "function": "#cc79a7", "linear": "#56b4e9", "reduction": "#d55e00", "other": "#f0e442",
    "module": "#808080", "instruction": "#56b4e9",
}  # fmt: skip

LIGHT = {
    "parameter": "#c3dae8", "input": "#9fdbc6", "constant": "#dfc7fd", "arithmetic": "#f6dda6",
    "function": "#fff2f4", "linear": "#9ab9ce", "reduction": "#e2b07c", "other": "#bbc9a0",
    "module": "#ececec", "instruction": "#c3dae8",
}  # fmt: skip
DARK = {
    "parameter": "#001d36", "input": "#0d5041", "constant": "#2b2b33", "arithmetic": "#684b0a",
    "function": "#563656", "linear": "#0d3262", "reduction": "#582904", "other": "#4f4e27",
    "module": "#202328", "instruction": "#0d3262",
}  # fmt: skip

CIVIDIS = ("#00224e", "#1d3f6f", "#575d6d", "#7d7c78", "#a59c74", "#d2c060", "#fee838")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a background and of what is written on it.

    Attributes
    ----------
    name, background, text, faint, adjoint : str
        The last is the colour of adjoints and derivatives.
    fills : mapping of str to str
        By kind of node.
    """

    name: str
    background: str
    text: str
    faint: str
    adjoint: str
    fills: Mapping[str, str]

    def border(self, kind: str) -> str:
        """Return the border of a node of this kind."""
        return mix(HUES[kind], self.text, 0.8)


THEMES = {
    "light": Theme("light", "#ffffff", "#1a1a1a", "#595959", "#8b0000", LIGHT),
    "dark": Theme("dark", "#16181d", "#f2f2f2", "#b0b0b0", "#ffb39e", DARK),
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
