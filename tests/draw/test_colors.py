"""Colours: text can be read on every fill, and all eyes tell the kinds apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from tinygrad_lecture.draw.colors import (
    HUES,
    THEMES,
    Theme,
    contrast,
    luminance,
    rgb,
    scale,
    writing,
)
from tinygrad_lecture.draw.graph import KINDS

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(color: str, eye: str) -> NDArray[np.float64]:
    """Return a colour as CIELAB, as an eye sees it."""
    c = np.array(rgb(color))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    seen = np.clip(EYES[eye] @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    t = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str, eye: str) -> float:
    return float(np.linalg.norm(lab(one, eye) - lab(other, eye)))


def test_every_kind_has_a_hue() -> None:
    assert set(HUES) == set(KINDS)


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_text_is_readable_on_every_fill(theme: Theme) -> None:
    for kind in KINDS:
        fill = theme.fills[kind]
        assert contrast(theme.text, fill) >= 7
        assert contrast(theme.adjoint, fill) >= 4.5
    for color in (theme.text, theme.faint, theme.adjoint):
        assert contrast(color, theme.background) >= 4.5


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_every_eye_tells_the_kinds_of_entries_apart(theme: Theme, eye: str) -> None:
    entries = [kind for kind in KINDS if kind not in ("module", "instruction")]  # shaped otherwise
    for one, other in itertools.combinations(entries, 2):
        assert distance(theme.fills[one], theme.fills[other], eye) >= 12, (one, other)


def test_text_is_readable_on_the_whole_scale() -> None:
    for x in np.linspace(0, 1, 101):
        assert contrast(writing(scale(x)), scale(x)) >= 4.5


def test_the_scale_gets_brighter_for_every_eye() -> None:
    for eye in EYES:
        lightness = [lab(scale(x), eye)[0] for x in np.linspace(0, 1, 21)]
        assert all(a < b for a, b in itertools.pairwise(lightness))


def test_contrast_is_that_of_wcag() -> None:
    assert luminance("#ffffff") == pytest.approx(1.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the known example
