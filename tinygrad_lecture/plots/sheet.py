"""`sheet`: a new figure to draw on; here it is found out whether there is Matplotlib."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import UsageError
from .theme import theme_of

if TYPE_CHECKING:
    from .paper import Paper

__all__ = ["INSTALL", "sheet"]

INSTALL = 'pip install "tinygrad_lecture[plots]"'


@contextlib.contextmanager
def sheet(theme: str = "light", width: float = 6.4, height: float = 3.6) -> Iterator[Paper]:
    """Give a new figure; what is drawn in the block has the theme's colours and type.

    Parameters
    ----------
    theme : {"light", "dark"}
    width, height : float
        In inches.

    Raises
    ------
    UsageError
        If the theme is another one, or Matplotlib is missing.
    """
    chosen = theme_of(theme)
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(f"plots need Matplotlib: {INSTALL}")
    # Optional and slow to import, so it is imported here.
    paper: Paper = importlib.import_module(f"{__package__}.paper").Paper(chosen, (width, height))
    with paper.style():
        yield paper
        paper.finish()
