"""The report: as text, as JSON, as an exception."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.gradcheck import ArgumentResult, Coordinate, Report, Verdict, gradcheck
from tinygrad_lecture.gradcheck.report import dumps, shape_text, sort_coordinates


def coordinate(
    verdict: Verdict, analytic: float = 1.0, numeric: float = 1.0, error: float = 0.0
) -> Coordinate:
    return Coordinate("w", (1, 2), analytic, numeric, 1e-9, error, verdict, "central difference")


def wrong(w: Any, b: Any) -> Any:
    return float(np.sum(w**2) + b**2), (w, 2 * b)


def test_the_table_names_argument_index_both_numbers_error_and_words() -> None:
    lines = str(gradcheck(wrong, np.array([[1.0, 3.0, 0.5]]), 2.0)).splitlines()

    assert lines[0] == "gradcheck wrong: wrong gradient"
    assert lines[1].split() == ["argument", "shape", "compared", "worst", "in", "words", "verdict"]
    assert lines[2].split()[:6] == ["w", "1×3", "3", "of", "3", "3.3e-01"]
    assert lines[2].endswith("wrong, most likely  wrong gradient")
    assert lines[3].endswith("happy               pass")
    assert lines[5].split() == ["where", "yours", "numeric", "error", "verdict", "remark"]
    assert lines[6].split() == ["w[0,", "1]", "3", "6", "3.3e-01", "wrong", "gradient"]
    assert lines[7].split()[:4] == ["w[0,", "0]", "1", "2"]
    assert "likely cause, w: factor 1/2: the 2 of 2x forgotten" in lines[9]


def test_worst_first() -> None:
    items = [
        coordinate(Verdict.PASS, error=0.1),
        coordinate(Verdict.WRONG, error=0.2),
        coordinate(Verdict.WRONG, error=math.nan),
        coordinate(Verdict.WRONG, error=0.9),
        coordinate(Verdict.KINK, error=1.0),
        coordinate(Verdict.NOISE, error=0.5),
    ]

    ordered = sort_coordinates(items)

    assert [c.verdict for c in ordered] == [
        *[Verdict.WRONG] * 3,
        Verdict.NOISE,
        Verdict.KINK,
        Verdict.PASS,
    ]
    assert math.isnan(ordered[0].relative_error)
    assert [c.relative_error for c in ordered[1:3]] == [0.9, 0.2]


def test_long_lists_are_cut() -> None:
    report = gradcheck(lambda x: (np.sum(x**2), 3 * x), np.arange(1.0, 30.0))

    assert "... and 21 more" in str(report)
    assert len(report.to_json()["arguments"][0]["coordinates"]) == 20


def test_json_is_strict_and_complete() -> None:
    report = gradcheck(lambda x: (np.sum(x), np.full(2, np.nan)), np.ones(2), seed=3)

    document = json.loads(dumps(report.to_json()))

    assert document["verdict"] == "wrong gradient"
    assert document["exit_code"] == 1
    assert document["seed"] == 3
    assert document["point"] == {"x": [1.0, 1.0]}
    argument = document["arguments"][0]
    assert argument["worst_error"] == "nan"
    assert argument["coordinates"][0]["analytic"] == "nan"
    assert argument["coordinates"][0]["numeric"] == 1.0
    assert argument["cause"].startswith("yours is not finite")


def test_large_points_are_not_printed() -> None:
    assert gradcheck(lambda x: (x * x).sum(), np.ones(100)).to_json()["point"] == {}


def test_truth_and_verdict_of_a_report() -> None:
    passed = ArgumentResult("a", (), 1, Verdict.PASS, (coordinate(Verdict.PASS, error=1e-9),))
    failed = ArgumentResult("b", (2,), 1, Verdict.WRONG, (coordinate(Verdict.WRONG, error=0.5),))

    good, bad = Report("f", "", (passed,)), Report("f", "", (passed, failed))

    assert good
    assert good.passed
    assert good.worst_error == 1e-9
    assert not bad
    assert bad.verdict is Verdict.WRONG
    assert bad.worst_error == 0.5
    assert Report("f", "", ()).worst_error == 0.0


def test_one_nan_makes_the_worst_error_nan() -> None:
    bad = ArgumentResult("a", (), 1, Verdict.WRONG, (coordinate(Verdict.WRONG, error=math.nan),))

    assert math.isnan(Report("f", "", (bad,)).worst_error)


def test_counts_and_places() -> None:
    result = ArgumentResult("w", (2, 3), 1, Verdict.PASS, (coordinate(Verdict.PASS),) * 2)

    assert result.size == 6
    assert result.count(Verdict.PASS) == 2
    assert result.coordinates[0].place == "w[1, 2]"
    assert result.words == "happy"


@pytest.mark.parametrize(
    ("shape", "text"), [((), "number"), ((3,), "(3,)"), ((0, 2), "0×2"), ((2, 3, 4), "2×3×4")]
)
def test_shapes_as_text(shape: tuple[int, ...], text: str) -> None:
    assert shape_text(shape) == text


def test_the_taylor_order_is_in_the_report() -> None:
    right = gradcheck(lambda x: tg.exp(x), 0.5).arguments[0]
    bad = gradcheck(lambda x: (np.exp(x), 1.1 * np.exp(x)), 0.5).arguments[0]
    linear = gradcheck(lambda x: 3.0 * x, 0.5).arguments[0]

    assert right.taylor == pytest.approx(2.0, abs=0.1)
    assert bad.taylor == pytest.approx(1.0, abs=0.2)
    assert math.isnan(linear.taylor)
