"""Colours and type of the plots, on a light and on a dark background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..draw.colors import THEMES as BACKGROUNDS
from ..draw.colors import mix
from ..errors import UsageError

__all__ = ["THEMES", "Theme", "ThemeName"]

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True)
class Theme:
    """Colours of a plot.

    Attributes
    ----------
    background, ink, faint, grid : str
        Paper, text, secondary text, and lines behind the data.
    hues : tuple of str
        Of curves. They keep a contrast of 4.5 to the background, as text has to, and were searched
        for the largest difference to each other in the eyes of protanopes and deuteranopes.
    ramp : tuple of str
        Ends of the scale for ordered curves such as layers, from first to last.
    relief : tuple of str
        Ends of the scale of surfaces, from low to high; curves are read on all of it.
    """

    background: str
    ink: str
    faint: str
    grid: str
    hues: tuple[str, ...]
    ramp: tuple[str, ...]
    relief: tuple[str, ...]

    @property
    def style(self) -> dict[str, Any]:
        """Return settings for Matplotlib, on top of its defaults."""
        return {
            "figure.facecolor": self.background,
            "savefig.facecolor": self.background,
            "axes.facecolor": "none",
            "axes.edgecolor": self.faint,
            "axes.labelcolor": self.ink,
            "axes.titlecolor": self.ink,
            "text.color": self.ink,
            "xtick.color": self.faint,
            "ytick.color": self.faint,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            "grid.color": self.grid,
            "grid.linewidth": 0.6,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.8,
            "axes.titlelocation": "left",
            "axes.titlesize": 10.5,
            "axes.titleweight": "normal",
            "axes.labelsize": 9.5,
            "font.size": 9.0,
            "legend.frameon": False,
            "legend.fontsize": 9.0,
            "lines.linewidth": 1.6,
            "lines.solid_capstyle": "round",
            "xtick.major.width": 0.8,
            "ytick.major.width": 0.8,
            "xtick.minor.width": 0.5,
            "ytick.minor.width": 0.5,
            "svg.fonttype": "none",  # text stays text: it can be searched, copied, read aloud
            "svg.hashsalt": "tinygrad_lecture",  # ids in the file do not change from run to run
        }

    def hue(self, number: int) -> str:
        """Return the colour of the curve of this number, counted from 0."""
        return self.hues[number % len(self.hues)]

    def tint(self, number: int) -> str:
        """Return a pale form of a hue, for areas."""
        return mix(self.hue(number), self.background, 0.22)


THEMES = {
    "light": Theme(
        BACKGROUNDS["light"].background,
        BACKGROUNDS["light"].text,
        BACKGROUNDS["light"].faint,
        "#e4e6e9",
        ("#123a5b", "#bc5811", "#116b4b", "#ba0795", "#6c3104"),
        ("#440154", "#31688e", "#35a07a", "#b5a616"),
        ("#a9bfd8", "#d5dfeb", "#f7f9fb"),
    ),
    "dark": Theme(
        BACKGROUNDS["dark"].background,
        BACKGROUNDS["dark"].text,
        BACKGROUNDS["dark"].faint,
        "#30343c",
        ("#9ab7f0", "#d1654c", "#a5f1c9", "#dd4791", "#fbe77a"),
        ("#8f7fe0", "#4fa3d0", "#5fd0a0", "#f2e350"),
        ("#3a4a60", "#2a3442", "#1b1f26"),
    ),
}


def theme_of(name: str) -> Theme:
    """Return the theme of a name, or refuse the name."""
    if name not in THEMES:
        raise UsageError(f"theme must be one of {', '.join(THEMES)}; got {name!r}")
    return THEMES[name]
