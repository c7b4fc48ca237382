"""Checks, bounds, outcomes and figures as data."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.experiments import (
    Bound,
    Check,
    Figure,
    Outcome,
    Series,
    above,
    at_least,
    at_most,
    below,
    between,
    equals,
    near,
)


@pytest.mark.parametrize(
    ("bound", "kept", "broken"),
    [
        (below(1.0), 0.999, 1.0),
        (at_most(1.0), 1.0, 1.001),
        (above(1.0), 1.001, 1.0),
        (at_least(1.0), 1.0, 0.999),
        (equals(3), 3, 3.0000001),
        (equals(True), True, False),
        (between(1.0, 2.0), 2.0, 2.001),
        (between(1.0, 2.0), 1.0, 0.999),
        (near(-10.0, rel=0.1, abs=0.5), -11.5, -11.6),
    ],
)
def test_bounds_hold_on_one_side_and_fail_on_the_other(
    bound: Bound, kept: float, broken: float
) -> None:
    assert Check("x", kept, bound).verdict == "holds"
    assert Check("x", broken, bound).verdict == "fails"
    assert Check("x", [kept, kept], bound).holds
    assert not Check("x", [kept, broken], bound).holds


@pytest.mark.parametrize("make", [below, at_most, above, at_least, equals, near])
def test_nan_keeps_no_bound(make: object) -> None:
    assert callable(make)
    assert not Check("x", math.nan, make(1.0)).holds
    assert not Check("x", [1.0, math.nan], between(0.0, 2.0)).holds


def test_a_check_without_a_bound_is_reported() -> None:
    check = Check("ratio", np.array([[1.0, 2.0]]))
    assert (check.verdict, check.holds, check.measured) == ("reported", True, [[1.0, 2.0]])
    assert str(check) == "ratio: 1 … 2 (2): reported"


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(UsageError, match=r"check 'x': measured must hold at least one number"):
        Check("x", [], below(1.0))


def test_an_outcome_that_cannot_fail_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one check with a bound"):
        Outcome([Check("x", 1.0)])
    with pytest.raises(UsageError, match="at least one check with a bound"):
        Outcome([])


def test_an_outcome_holds_if_all_its_checks_do() -> None:
    good, bad = Check("good", 1.0, below(2.0)), Check("bad", 3.0, below(2.0), reference="2 to 4")
    assert Outcome([good]).holds
    both = Outcome([good, bad], notes=("a note",))
    assert not both.holds
    assert both["bad"] is bad
    with pytest.raises(KeyError, match=r"no check 'ugly'; there are \['good', 'bad'\]"):
        both["ugly"]
    assert str(both) == (
        "good: 1, < 2: holds\nbad: 3, < 2: fails (reference 2 to 4)\na note"
    )  # fmt: skip


def test_json_is_strict() -> None:
    check = Check("x", [math.nan, math.inf, 1.0], below(math.inf), reference=math.nan)
    assert json.loads(json.dumps(check.to_json(), allow_nan=False)) == {
        "name": "x",
        "measured": ["nan", "inf", 1.0],
        "threshold": {"relation": "<", "value": "inf"},
        "reference": "nan",
        "verdict": "fails",
    }
    assert check.measured_text == "nan (3)"
    assert Check("x", True, equals(True)).to_json()["measured"] is True
    assert Check("x", 1, between(0, 2)).to_json()["threshold"] == {
        "relation": "in",
        "value": [0, 2],
    }


def test_figures_grow_by_series_and_refuse_odd_ones() -> None:
    figure = Figure("t", "x", "y", y_scale="log").add("a", [1, 2], [3, 4], style="points")
    assert (figure.y_scale, figure.series[0].style) == ("log", "points")
    assert figure.series[0].y.tolist() == [3, 4]
    with pytest.raises(UsageError, match=r"series 'b': y must have the shape \(n,\) of x"):
        figure.add("b", [1, 2], [3])
    with pytest.raises(UsageError, match=r"series 'b': low must have the shape"):
        Series("b", np.ones(2), np.ones(2), low=np.ones(3))
    with pytest.raises(UsageError, match=r"series 'b': x must have the shape"):
        figure.add("b", np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(UsageError, match="series 'b' has no points"):
        figure.add("b", [], [])


def test_surfaces_refuse_what_is_no_grid() -> None:
    figure = Figure("t", "x", "y").add("path", [0, 1], [0, 1])
    figure = figure.add_surface("loss", [0, 1, 2], [0, 1], np.arange(6).reshape(2, 3), levels=(2,))
    (surface,) = figure.surfaces
    assert (surface.z[1, 2], surface.levels, len(figure.series)) == (5, (2,), 1)
    assert figure.add("more", [0], [1]).surfaces == (surface,)
    with pytest.raises(UsageError, match=r"surface 's': z must have .* = \(2, 3\), got \(3, 2\)"):
        figure.add_surface("s", [0, 1, 2], [0, 1], np.zeros((3, 2)))
    with pytest.raises(UsageError, match="surface 's': y must be two increasing numbers or more"):
        figure.add_surface("s", [0, 1], [1, 1], np.zeros((2, 2)))
    with pytest.raises(UsageError, match="surface 's': x must be two increasing"):
        figure.add_surface("s", [[0, 1]], [0, 1], np.zeros((2, 2)))


def test_texts_are_as_short_as_they_can_be() -> None:
    assert Check("x", [1.0, 1.0 + 1e-9]).measured_text == "1 (2)"
    assert Check("x", [True, False]).measured_text == "False … True (2)"
    assert str(near(1.0, abs=1e-9)) == "= 1 ± 1e-09"
    assert str(near(10.0, rel=0.1)) == "in [9, 11]"


def test_notebooks_show_a_table_of_the_checks() -> None:
    outcome = Outcome(
        [Check("a < b & c", [0.2, 0.3], below(0.5)), Check("other", 2.0, reference="1 to 3")],
        ("a <note>",),
    )
    assert repr(outcome) == str(outcome)
    assert outcome._repr_html_() == (
        "<table>\n"
        "<tr><th>measured</th><th></th><th>threshold</th><th></th><th>reference</th></tr>\n"
        "<tr><td>a &lt; b &amp; c</td><td>0.2 … 0.3 (2)</td><td>&lt; 0.5</td><td>holds</td><td></td></tr>\n"
        "<tr><td>other</td><td>2</td><td></td><td>reported</td><td>1 to 3</td></tr>\n"
        "</table>\n<p>a &lt;note&gt;</p>"
    )
    bare = Outcome([Check("loss", 0.2, below(0.3))])._repr_html_()
    assert bare.splitlines()[1] == "<tr><th>measured</th><th></th><th>threshold</th><th></th></tr>"
