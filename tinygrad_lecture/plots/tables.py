"""Rows of numbers, as trainings keep them in memory and in CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

__all__ = ["Rows", "column", "read_rows"]

TEXTS = ("layer", "kind")  # the layer "1.0" is no number
Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = "str | os.PathLike[str] | Iterable[Row]"


def read_rows(source: Any, file: str, needed: Sequence[str]) -> list[Row]:
    """Return rows: as they came, or from a CSV file, or from the file of that name in a folder.

    Raises
    ------
    UsageError
        If the file cannot be read, there are no rows, or a column is missing.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source, file) if Path(source).is_dir() else Path(source)
        where = str(path)
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                rows: list[Row] = [
                    {key: x if key in TEXTS else _number(x) for key, x in row.items()}
                    for row in csv.DictReader(lines)
                ]
        except (OSError, ValueError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot read {path}: {reason}") from error
    else:
        rows, where = list(source), ""
    of = f"{where}: " if where else ""
    if not rows:
        raise UsageError(f"{of}there are no rows to draw")
    for name in needed:
        if name not in rows[0]:
            raise UsageError(f"{of}no column {name!r}; there are {', '.join(rows[0])}")
    return rows


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def column(rows: Iterable[Row], name: str) -> NDArray[np.float64]:
    """Return one column; nan where there is nothing."""
    return np.array([_float(row.get(name)) for row in rows], dtype=float)


def _float(x: Any) -> float:
    return np.nan if x is None else float(x)


def wide(values: Iterable[NDArray[np.float64]], factor: float = 30.0) -> bool:
    """Tell whether positive numbers differ so much that they belong on a logarithmic axis."""
    finite = np.concatenate([np.ravel(v) for v in values])
    finite = finite[np.isfinite(finite)]
    return bool(finite.size and finite.min() > 0 and finite.max() > factor * finite.min())
