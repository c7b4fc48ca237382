"""Each row of the table of conventions is what the engine answers, for floats and arrays."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lecture as tg

ROWS = tg.conventions()


@pytest.mark.parametrize("row", ROWS, ids=[row.point for row in ROWS])
def test_the_engine_answers_as_the_row_says(row: tg.engine.conventions.Convention) -> None:  # type: ignore[name-defined]
    np.testing.assert_array_equal(row.run(), row.answer)


def test_the_table_prints_every_row() -> None:
    text = str(ROWS).splitlines()

    assert len(text) == len(ROWS) + 1
    assert text[0].split() == ["point", "derivative", "reason"]
