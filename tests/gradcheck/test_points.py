"""Inputs from --shape and --at, and drawn ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck.points import (
    PointMaker,
    as_array,
    collect,
    parse_shape,
    parse_value,
)
from tinygrad_lecture.gradcheck.problem import Problem, TargetError
from tinygrad_lecture.nn import manual

Array = NDArray[Any]


def problem(
    target: Any,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    values: Mapping[str, Any] | None = None,
    constants: Collection[str] = (),
    seed: int = 0,
    kind: str = "auto",
) -> Problem:
    return PointMaker(target, "target", shapes or {}, values or {}, constants, seed, kind).problem()


def point(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {a.name: a.value for a in problem(*args, **kwargs).arguments}


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "shape"),
        [
            ("x=3,4", (3, 4)),
            ("x=3", (3,)),
            ("x=(3, 4)", (3, 4)),
            ("x=", ()),
            ("x=()", ()),
            ("x=0,2", (0, 2)),
        ],
    )
    def test_shapes(self, text: str, shape: tuple[int, ...]) -> None:
        assert parse_shape(text) == ("x", shape)

    @pytest.mark.parametrize("text", ["x", "3,4", "x=3x4", "x=-1", "=3", "x y=3", "x=2.5"])
    def test_bad_shapes(self, text: str) -> None:
        with pytest.raises(UsageError, match="write NAME=LENGTHS, as in --shape x=3,4"):
            parse_shape(text)

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("x=2.0", 2.0),
            ("x=-1e-3", -1e-3),
            ("x=[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
            ("x='mean'", "mean"),
            ("x=None", None),
        ],
    )
    def test_values(self, text: str, value: Any) -> None:
        assert parse_value(text) == ("x", value)

    @pytest.mark.parametrize("text", ["x", "=2.0", "2.0"])
    def test_values_need_a_name(self, text: str) -> None:
        with pytest.raises(UsageError, match=r"write NAME=VALUE, as in --at x=2\.0"):
            parse_value(text)

    @pytest.mark.parametrize("text", ["x=1 2", "x=np.ones(3)", "x=[1", "x="])
    def test_values_are_literals(self, text: str) -> None:
        with pytest.raises(UsageError, match=r"is no number or list of numbers; write x=2\.0"):
            parse_value(text)

    def test_a_name_comes_once(self) -> None:
        assert collect([("x", 1), ("y", 2)], "--at") == {"x": 1, "y": 2}
        with pytest.raises(UsageError, match="--at gives x twice"):
            collect([("x", 1), ("x", 2)], "--at")

    def test_integers_become_floats_unless_constant(self) -> None:
        assert as_array("x", 2, constant=False) == 2.0
        assert isinstance(as_array("x", 2, constant=False), float)
        assert as_array("x", [1, 2], constant=False).dtype == np.float64
        assert as_array("x", [1, 2], constant=True).dtype.kind == "i"
        assert as_array("x", 3, constant=True) == 3
        assert as_array("x", True, constant=False) is True

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([[1.0], [1.0, 2.0]], "the rows have different lengths"),
            (["a"], "a list of numbers is needed"),
            ({"a": 1}, "numbers and lists of numbers are taken, not dict"),
        ],
    )
    def test_other_values(self, value: Any, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            as_array("x", value, constant=False)


class TestDrawing:
    def test_numbers_without_options(self) -> None:
        found = point(lambda x, y: x * y)

        assert list(found) == ["x", "y"]
        assert all(v.shape == () for v in found.values())

    def test_the_seed_decides(self) -> None:
        def f(x: Any) -> Any:
            return (x * x).sum()

        first, again, other = (point(f, {"x": (2, 3)}, seed=s)["x"] for s in (1, 1, 2))

        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    @pytest.mark.parametrize(
        ("f", "low", "high"),
        [
            (lambda x: tg.log(x).sum(), 0.0, np.inf),
            (lambda x: tg.arcsin(x).sum(), -1.0, 1.0),
            (lambda x: tg.arccosh(x).sum(), 1.0, np.inf),
        ],
    )
    def test_the_domain_is_searched(self, f: Any, low: float, high: float) -> None:
        x = point(f, {"x": (50,)})["x"]

        assert np.all((low < x) & (x < high))

    def test_a_function_that_is_never_finite(self) -> None:
        with pytest.raises(UsageError, match="target is not finite where it was tried"):
            problem(lambda x: tg.log(-abs(x)))

    def test_given_values_are_kept(self) -> None:
        found = point(lambda x, y: (x * y).sum(), {"y": (2, 1)}, {"x": [[1, 2], [3, 4]]})

        assert found["x"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert found["y"].shape == (2, 1)

    def test_a_given_value_outside_of_the_domain(self) -> None:
        with pytest.raises(UsageError, match="target is not finite where it was tried"):
            problem(tg.log, values={"x": -1.0})

    def test_defaults_stay_unless_given(self) -> None:
        def f(x: Any, scale: float = 3.0, mode: str = "up", shift: float = 0.0) -> Any:
            assert mode == "up"
            return x * scale + shift

        assert list(point(f)) == ["x"]
        assert list(point(f, values={"shift": 1.0})) == ["x", "shift"]
        assert list(point(f, values={"scale": 2})) == ["x", "scale"]

    def test_text_and_none_are_constants(self) -> None:
        def f(x: Any, mode: Any) -> Any:
            assert mode in ("up", None)
            return x * 2.0

        assert list(point(f, values={"mode": "up"})) == ["x"]
        assert list(point(f, values={"mode": None})) == ["x"]

    def test_constants_keep_their_integers(self) -> None:
        def loss(logits: Any, labels: Any) -> Any:
            return tg.log_softmax(logits, axis=1)[np.arange(3), labels].sum()

        found = point(loss, {"logits": (3, 4)}, {"labels": [0, 3, 1]}, ["labels"])

        assert list(found) == ["logits"]

    def test_keyword_only_parameters(self) -> None:
        def f(x: Any, *, power: int = 2) -> Any:
            return x**power

        assert problem(f, values={"power": 3}).evaluate([np.array(2.0)]).values.tolist() == [8.0]

    def test_nothing_but_constants(self) -> None:
        with pytest.raises(UsageError, match="no float input to check"):
            problem(lambda x: x, values={"x": "text"})


class TestAdvice:
    def test_a_number_where_an_array_is_needed(self) -> None:
        with pytest.raises(UsageError, match=r"; x, w were numbers: give shapes, as in --shape x="):
            problem(lambda x, w: x @ w)
        with pytest.raises(UsageError, match=r"; x was a number: give shapes, as in --shape x=3,4"):
            problem(lambda x: x.sum(axis=1))

    def test_given_shapes_are_not_doubted(self) -> None:
        with pytest.raises(TargetError, match=r"\(2,\) \(3,\) \(at .*test_points.py:\d+\)$"):
            problem(lambda x, y: np.add(x, y), {"x": (2,), "y": (3,)})

    def test_floats_where_integers_are_needed(self) -> None:
        with pytest.raises(
            UsageError, match="; --constant NAME keeps the integers of --at as they"
        ):
            problem(lambda x, k: x[np.asarray(k.data)], {"x": (3,)}, {"k": [0, 1]})

    def test_other_errors_get_no_advice(self) -> None:
        def f(x: Any) -> Any:
            raise RuntimeError("no luck")

        with pytest.raises(TargetError, match=r"RuntimeError: no luck \(at .*\)$"):
            problem(f)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"shapes": {"X": (3,)}}, r"--shape: target has no input X \(it has x, weight\)"),
            (
                {"values": {"weigth": 1.0}},
                r"--at: target has no input weigth; did you mean weight\?",
            ),
            ({"shapes": {"x": (3,)}, "values": {"x": 1.0}}, "--shape and --at both give x: one is"),
        ],
    )
    def test_names_that_do_not_fit(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            problem(lambda x, weight: x * weight, **options)

    def test_an_unknown_constant(self) -> None:
        with pytest.raises(UsageError, match=r"--constant: target has no input y \(it has x\)"):
            problem(lambda x: x, constants=["y"])

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            (lambda *xs: xs[0], "target has no named positional parameter to vary: wrap it"),
            (3.0, "target is of type float: a function, a class with forward and backward, or a"),
            (max, "target does not tell its parameters: wrap it in a function that names them"),
        ],
    )
    def test_targets_that_cannot_be_called_by_name(self, target: Any, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            problem(target)


class TestClasses:
    def test_the_constructor_takes_arguments_from_at(self) -> None:
        found = point(manual.Linear, {"x": (4, 3)}, {"in_features": 3, "out_features": 2})

        assert {k: v.shape for k, v in found.items()} == {
            "x": (4, 3),
            "weight": (2, 3),
            "bias": (2,),
        }

    def test_rng_and_seed_of_a_constructor_come_from_the_seed(self) -> None:
        options: Any = ({"x": (4, 3)}, {"in_features": 3, "out_features": 2})

        first, again, other = (point(manual.Linear, *options, seed=s)["weight"] for s in (1, 1, 2))

        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_the_global_generator_is_seeded_for_the_constructor(self) -> None:
        class Random:
            def __init__(self) -> None:
                self.W = np.random.randn(2)  # noqa: NPY002

            def forward(self, x: Array) -> Array:
                return x * self.W

            def backward(self, g: Array) -> Any:
                return g * self.W

        found = [point(Random, {"x": (2,)}, constants=["W"], seed=7)["x"] for _ in range(2)]
        weights = [point(Random, {"x": (2,)}, seed=7)["W"] for _ in range(2)]

        assert np.array_equal(*found)
        assert np.array_equal(*weights)

    def test_missing_arguments_of_a_constructor(self) -> None:
        with pytest.raises(
            UsageError, match=r"missing a required argument: 'in_features'; give the"
        ):
            problem(manual.Linear, {"x": (4, 3)})

    def test_a_constructor_that_raises(self) -> None:
        class Fails:
            def __init__(self) -> None:
                raise RuntimeError("no luck")

            def forward(self, x: Any) -> Any: ...

            def backward(self, g: Any) -> Any: ...

        with pytest.raises(TargetError, match="target raised RuntimeError: no luck"):
            problem(Fails)

    def test_an_instance_will_do(self) -> None:
        assert list(point(manual.Tanh(), {"x": (2,)})) == ["x"]

    def test_constants_of_a_class_have_to_exist(self) -> None:
        with pytest.raises(UsageError, match=r"no input or parameter b \(it has x, weight, bias\)"):
            problem(manual.Linear(3, 2, rng=0), {"x": (4, 3)}, constants=["b"])

    def test_constants_may_be_parameters(self) -> None:
        found = point(manual.Linear(3, 2, rng=0), {"x": (4, 3)}, constants=["bias"])

        assert list(found) == ["x", "weight"]


class TestOps:
    def test_a_row_is_drawn_from_its_domain(self) -> None:
        for seed in range(5):
            x = point(tg.TABLE["arccosh"], seed=seed)
            assert all(np.all(v > 1.0) for v in x.values())

    def test_the_function_of_a_users_op_counts_as_its_row(self) -> None:
        op = tg.op("op_for_test_points", lambda x: x**3, "3.0 * x * x", domain=(4.0, 5.0))
        try:
            found = point(op)
            given = point(op, {"x": (3,)})
            at = point(op, values={"x": 2})
        finally:
            tg.remove_op("op_for_test_points")

        assert all(np.all((v >= 4.0) & (v <= 5.0)) for v in found.values())
        assert given["x"].shape == (3,)
        assert at["x"] == 2.0

    def test_unknown_operands(self) -> None:
        with pytest.raises(UsageError, match=r"--at: target has no input y \(it has x\)"):
            problem(tg.TABLE["tanh"], values={"y": 1.0})
