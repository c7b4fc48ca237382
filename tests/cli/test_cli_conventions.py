"""``tinygrad-lecture conventions``."""

from __future__ import annotations

import json

import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.cli import main


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conventions"]) == 0
    assert capsys.readouterr().out == f"{tg.conventions()}\n"


def test_json_has_every_row_and_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conventions", "--json"]) == 0

    rows = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [row["point"] for row in rows] == [c.point for c in tg.conventions()]
    assert {"inf", "-inf", "nan"} <= {
        row["answer"] for row in rows if isinstance(row["answer"], str)
    }
