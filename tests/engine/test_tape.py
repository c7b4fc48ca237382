"""`Tape`: the record as a table, as steps, as JSON, as a program to run again, and its checks."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.engine import Entry, Step


def neuron() -> tuple[tg.Value, tg.Value, tg.Value]:
    w, x = tg.Value(3.0, name="w"), tg.Value(2.0, name="x")
    return w, x, (w * x - 5.0).tanh()


def layered() -> tuple[tg.Value, tg.Value, tg.Value]:
    w = tg.Value(np.array([[0.5, -1.0, 0.25], [1.0, 0.3, -0.7]]), name="w")
    b = tg.Value([0.1, -0.2], name="b")
    h = (w @ np.array([1.0, 2.0, 3.0]) + b).tanh()
    h.name = "h"
    return w, b, (h * h).sum() * 0.5 + tg.logsumexp(h) + h[0]


# ---------------------------------------------------------------------------------- entries


def test_entries_come_in_the_order_in_which_they_ran() -> None:
    w, x, out = neuron()
    tape = tg.Tape(out)

    assert len(tape) == 5
    assert [e.op for e in tape] == ["leaf", "leaf", "multiply", "subtract", "tanh"]
    assert [e.number for e in tape] == [0, 1, 2, 3, 4]
    assert [e.inputs for e in tape] == [(), (), (0, 1), (2, (5.0,)), (3,)]
    assert [e.name for e in tape] == ["w", "x", None, None, None]
    assert [e.primal for e in tape] == [3.0, 2.0, 6.0, 1.0, pytest.approx(np.tanh(1))]
    assert all(isinstance(e, Entry) for e in tape)
    assert tape[0].value is w
    assert tape[-1].value is out
    assert tape[-1].number == 4
    assert (tape.position(x), tape.position(out)) == (1, 4)
    with pytest.raises(IndexError):
        tape[5]


def test_leaves_that_are_made_late_stand_where_they_were_made() -> None:
    a = tg.Value(1.0)
    b = a + 1.0
    c = tg.Value(2.0)
    tape = tg.Tape(b * c)

    assert [e.op for e in tape] == ["leaf", "add", "leaf", "multiply"]
    assert tape[3].inputs == (1, 2)


def test_only_what_lies_behind_the_outputs_is_on_the_tape() -> None:
    x = tg.Value(1.0)
    y = x * 2.0
    unused = y * 3.0
    tape = tg.Tape(y)

    assert len(tape) == 2
    with pytest.raises(KeyError, match="is not on this tape"):
        tape.position(unused)


def test_a_shared_value_occurs_once() -> None:
    a = tg.Value(1.0)
    b = a + a
    c = b + b
    tape = tg.Tape([c, b, c])

    assert [e.inputs for e in tape] == [(), (0, 0), (1, 1)]
    assert repr(tape) == "<Tape of 3 entries, 3 output(s)>"


@pytest.mark.parametrize(
    ("build", "inputs", "derivatives"),
    [
        (lambda x: 2.0 - x, ((2.0,), 0), (None, -1.0)),
        (lambda x: x - 2.0, (0, (2.0,)), (1.0, None)),
        (lambda x: 2 / x, ((2.0,), 0), (None, -0.125)),
        (lambda x: x / 2, (0, (2.0,)), (0.5, None)),
        (lambda x: 2**x, ((2.0,), 0), (None, pytest.approx(16 * np.log(2)))),
        (lambda x: x**2, (0, (2.0,)), (8.0, None)),
        (lambda x: 2 // x, ((2.0,), 0), (None, 0.0)),
        (lambda x: 5 % x, ((5.0,), 0), (None, -1.0)),
        (lambda x: 2 + x, ((2.0,), 0), (None, 1.0)),
        (lambda x: 2 * x, ((2.0,), 0), (None, 2.0)),
        (lambda x: np.float64(2) - x, ((2.0,), 0), (None, -1.0)),
        (lambda x: x * x, (0, 0), (4.0, 4.0)),
        (lambda x: -x, (0,), (-1.0,)),
        (lambda x: tg.maximum(2.0, x), ((2.0,), 0), (None, 1.0)),
        (lambda x: tg.arctan2(0.0, x), ((0.0,), 0), (None, 0.0)),
    ],
)  # fmt: skip
def test_constants_keep_their_place(
    build: Callable[[Any], tg.Value], inputs: Any, derivatives: Any
) -> None:
    entry = tg.Tape(build(tg.Value(4.0)))[-1]
    array = tg.Tape(build(tg.Value([4.0])))[-1]

    assert entry.inputs == inputs
    assert entry.derivatives == derivatives
    assert [i if isinstance(i, int) else (float(np.squeeze(i[0])),) for i in array.inputs] == list(
        inputs
    )
    for found, wanted in zip(array.derivatives, derivatives, strict=True):
        assert (found is None) == (wanted is None)
        assert wanted is None or float(np.squeeze(found)) == wanted


def test_adjoints_are_none_before_backward_and_never_computed_by_looking() -> None:
    w, _, out = neuron()
    tape = tg.Tape(out)
    str(tape), tape.to_json(), list(tape.steps())
    assert [e.adjoint for e in tape] == [None] * 5
    out.backward()
    assert tape[0].adjoint == w.grad
    assert tape[4].adjoint == 1.0


def test_adjoints_of_arrays_have_the_shape_of_the_primal() -> None:
    w = tg.Value([1.0, 2.0])
    h = w * 0.0
    unreached = h.relu()
    (unreached * 0.0).sum().backward()

    for e in tg.Tape(unreached):
        assert np.shape(e.adjoint) == np.shape(e.primal) == (2,)


def test_parameters_of_ops_are_shown() -> None:
    w = tg.Value(np.ones((2, 3)))
    tape = tg.Tape(w.sum(axis=1, keepdims=True).reshape(2))

    assert tape[1].params == {"axis": (1,), "keepdims": True}
    assert tape[2].params == {"shape": (2,)}
    assert tg.Tape(tg.Value(1.0) * 2.0)[1].params == {}


def test_outputs_may_be_a_nest_with_plain_numbers() -> None:
    x = tg.Value(2.0)
    tape = tg.Tape({"a": x * x, "b": [1.0, x + 1.0], "c": None})

    assert len(tape) == 3
    assert tape.replay({x: 3.0}) == {"a": 9.0, "b": [1.0, 4.0], "c": None}


@pytest.mark.parametrize(
    ("outputs", "came"),
    [(1.0, "float"), ([1.0, 2.0], "list"), (np.ones(2), "ndarray"), (None, "None")],
)
def test_outputs_without_a_value_are_refused(outputs: Any, came: str) -> None:
    with pytest.raises(TypeError, match=rf"outputs hold no Value, so there is no record: {came}"):
        tg.Tape(outputs)


# ------------------------------------------------------------------------------------ table


def test_the_table_of_scalars() -> None:
    w, _, out = neuron()
    assert str(tg.Tape(out)).splitlines() == [
        "no  name  op        inputs      primal    local derivative  adjoint",
        " 0  w     leaf                  3                           not computed",
        " 1  x     leaf                  2                           not computed",
        " 2        multiply  0, 1        6         2, 3              not computed",
        " 3        subtract  2, const 5  1         1                 not computed",
        " 4        tanh      3           0.761594  0.419974          not computed",
    ]
    out.backward()
    assert tg.Tape(out).table(digits=3).splitlines() == [
        "no  name  op        inputs      primal  local derivative  adjoint",
        " 0  w     leaf                  3                         0.84",
        " 1  x     leaf                  2                         1.26",
        " 2        multiply  0, 1        6       2, 3              0.42",
        " 3        subtract  2, const 5  1       1                 0.42",
        " 4        tanh      3           0.762   0.42              1",
    ]
    assert w.grad == pytest.approx(0.839948683)


def test_the_table_of_arrays_shows_shapes_and_rules() -> None:
    w = tg.Value(np.ones((2, 3)), name="w")
    out = tg.softmax(w @ np.ones(3))[np.array([0, 1, 0])].sum()
    out.backward()

    assert str(tg.Tape(out)).splitlines() == [
        "no  name  op                  inputs  primal  local derivative     adjoint",
        " 0  w     leaf                        <2×3>                        <2×3>",
        " 1        matmul              0, <3>  <2>     matmul's transpose   <2>",
        " 2        softmax(axis=(0,))  1       <2>     out (g - Σ g out)    <2>",
        " 3        getitem(index=<3>)  2       <3>     getitem's transpose  <3>",
        " 4        sum(axis=(0,))      3       1.5     sum's transpose      1",
    ]


def test_long_tables_show_both_ends() -> None:
    y = tg.Value(0.0)
    for _ in range(99):
        y = y + 1.0
    tape = tg.Tape(y)
    lines = tape.table(limit=10).splitlines()

    assert len(lines) == 12
    assert [line.split()[0] for line in lines[1:]] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "...",
        "95",
        "96",
        "97",
        "98",
        "99",
    ]
    assert lines[6] == "... 90 more ..."
    assert len(tape.table(limit=None).splitlines()) == 101
    assert len(tape.table(limit=100).splitlines()) == 101
    assert len(tape.table(limit=7).splitlines()) == 9
    assert len(str(tape).splitlines()) == 42


def test_columns_without_content_are_left_out() -> None:
    header = str(tg.Tape(tg.Value(1.0) * 2.0)).splitlines()[0]

    assert "name" not in header
    assert "inputs" in header


# ------------------------------------------------------------------------------------ steps


@pytest.mark.parametrize("build", [neuron, layered])
def test_the_sums_of_the_steps_are_the_adjoints(
    build: Callable[[], tuple[tg.Value, tg.Value, tg.Value]],
) -> None:
    *leaves, out = build()
    tape = tg.Tape(out)
    steps = list(tape.steps())
    totals: dict[int, Any] = {}
    parts: dict[int, list[Any]] = defaultdict(list)
    for s in steps:
        assert isinstance(s, Step)
        assert s.entry.inputs[s.operand] == s.target
        assert np.shape(s.contribution) == np.shape(s.total) == np.shape(tape[s.target].primal)
        totals[s.target] = s.total
        parts[s.target].append(s.contribution)
        np.testing.assert_allclose(s.total, sum(parts[s.target]), rtol=1e-13)
    assert all(v.grad is None for v in leaves)
    out.backward()

    for i, e in enumerate(tape):
        if e.value is not out:
            np.testing.assert_allclose(totals[i], e.adjoint, rtol=1e-13)
    for s in steps:
        np.testing.assert_allclose(s.incoming, tape[s.entry.number].adjoint, rtol=1e-13)
    numbers = [s.entry.number for s in steps]
    assert numbers == sorted(numbers, reverse=True)


def test_a_step_is_incoming_times_derivative() -> None:
    _, _, out = neuron()

    for s in tg.Tape(out).steps():
        assert s.contribution == pytest.approx(s.incoming * s.derivative, rel=1e-15)


def test_steps_into_some_entries_are_those_of_all_steps() -> None:
    x, y = tg.Value(2.0), tg.Value(3.0)
    tape = tg.Tape(tg.tanh(x * y) + x)
    some = [(s.target, s.total) for s in tape.steps(into={0, 2})]
    assert some == [(s.target, s.total) for s in tape.steps() if s.target in (0, 2)]
    assert len(some) == 3


def test_steps_of_a_square_show_both_contributions() -> None:
    x = tg.Value(3.0)
    steps = list(tg.Tape(x * x).steps(seed=2.0))

    assert [(s.incoming, s.operand, s.derivative, s.contribution, s.total) for s in steps] == [
        (2.0, 0, 3.0, 6.0, 6.0),
        (2.0, 1, 3.0, 6.0, 12.0),
    ]


def test_steps_skip_constants_and_take_a_second_operand() -> None:
    x = tg.Value(4.0)
    (step,) = tg.Tape(2.0 - x).steps()

    assert (step.operand, step.target, step.derivative, step.contribution) == (1, 0, -1.0, -1.0)


def test_steps_keep_exact_zeros() -> None:
    x, w = tg.Value(0.0), tg.Value([0.0, 1.0])

    assert [s.contribution for s in tg.Tape(tg.sqrt(x) * 0.0).steps()] == [0.0, 0.0]
    *_, last = tg.Tape((tg.sqrt(w) * 0.0).sum()).steps()
    np.testing.assert_array_equal(last.contribution, [0, 0])
    out = w.relu().sum()
    for s in tg.Tape(out).steps(0.0):
        np.testing.assert_array_equal(s.contribution, np.zeros(np.shape(s.contribution)))


def test_steps_need_one_output_and_a_fitting_seed() -> None:
    x = tg.Value([1.0, 2.0])
    y = x * 2.0

    with pytest.raises(ValueError, match="steps go back from one output, and this tape has 2"):
        next(tg.Tape([y, y.sum()]).steps())
    with pytest.raises(ValueError, match=r"backward\(\) starts at a scalar"):
        next(tg.Tape(y).steps())
    with pytest.raises(ValueError, match="seed has shape"):
        next(tg.Tape(y).steps([1.0]))
    *_, last = tg.Tape(y).steps([1.0, 10.0])
    np.testing.assert_array_equal(last.total, [2, 20])


def test_steps_of_a_leaf_are_none() -> None:
    assert list(tg.Tape(tg.Value(1.0)).steps()) == []


# ------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("build", [neuron, layered])
def test_json_holds_the_whole_tape(
    build: Callable[[], tuple[tg.Value, tg.Value, tg.Value]],
) -> None:
    *_, out = build()
    out.backward()
    tape = tg.Tape(out)
    text = tape.to_json()
    read = json.loads(text)

    assert set(read) == {"outputs", "entries"}
    assert read["outputs"] == [len(tape) - 1]
    assert len(read["entries"]) == len(tape)
    for e, r in zip(tape, read["entries"], strict=True):
        assert (r["number"], r["name"], r["op"]) == (e.number, e.name, e.op)
        assert r["shape"] == list(np.shape(e.primal))
        np.testing.assert_array_equal(r["primal"], e.primal)
        np.testing.assert_array_equal(r["adjoint"], e.adjoint)
        assert [i for i in r["inputs"] if isinstance(i, int)] == [
            i for i in e.inputs if isinstance(i, int)
        ]
    assert json.loads(json.dumps(read)) == read


def test_json_can_rebuild_a_scalar_gradient() -> None:
    _, _, out = neuron()
    out.backward()
    entries = json.loads(tg.Tape(out).to_json())["entries"]
    adjoints = dict.fromkeys(range(len(entries)), 0.0)
    adjoints[len(entries) - 1] = 1.0
    for e in reversed(entries):
        for source, slope in zip(e["inputs"], e["derivatives"], strict=bool(e["inputs"])):
            if isinstance(source, int):
                adjoints[source] += adjoints[e["number"]] * slope

    assert [e["adjoint"] for e in entries] == pytest.approx(list(adjoints.values()))


def test_json_shows_constants_indices_and_what_json_lacks() -> None:
    x = tg.Value([0.0, np.inf, np.nan])
    out = (1 - x)[np.array([0, 1])][None, ..., ::2].astype("float32")
    entries = json.loads(tg.Tape(out).to_json())["entries"]

    assert entries[0]["primal"] == [0.0, "inf", "nan"]
    assert entries[1]["inputs"] == [{"constant": 1.0}, 0]
    assert entries[1]["derivatives"][0] is None
    assert entries[2]["params"] == {"index": [0, 1]}
    assert entries[3]["params"] == {"index": [None, "Ellipsis", "slice(None, None, 2)"]}
    assert entries[4]["params"] == {"dtype": "float32"}
    assert entries[0]["adjoint"] is None


# ------------------------------------------------------------------------------------ stats


def test_stats_count_entries_leaves_and_ops() -> None:
    w, x = tg.Value(1.0), tg.Value(2.0)
    out = (w * x + w * 2.0).tanh() * 3.0
    stats = tg.Tape(out).stats()

    assert stats["entries"] == 7
    assert stats["leaves"] == 2
    assert stats["ops"] == {"multiply": 3, "add": 1, "tanh": 1}
    assert next(iter(stats["ops"])) == "multiply"


def test_stats_bytes_of_scalars_are_near_the_truth_and_below_200() -> None:
    def build(n: int) -> tg.Value:
        y = tg.Value(1.0)
        for _ in range(n):
            y = y * 1.5 - 2.0
            y = y * y
        return y.tanh()

    build(10)
    n = 2_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    out = build(n)
    true = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    stated = tg.Tape(out).stats()["bytes"]

    assert stated == pytest.approx(true, rel=0.25)
    assert true / (3 * n) <= 200
    assert stated / (3 * n) <= 200


def test_stats_bytes_of_arrays_are_near_the_truth() -> None:
    x = tg.Value(np.ones(1000))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    y = x
    for _ in range(50):
        y = y * x
    true = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    stated = tg.Tape(y).stats()["bytes"] - sys.getsizeof(np.ones(1000))

    assert stated == pytest.approx(true, rel=0.25)


# ----------------------------------------------------------------------------------- replay


@pytest.mark.parametrize("at", [0.7, -3.0, 0.0])
def test_a_replay_at_another_point_equals_a_fresh_run(at: float) -> None:
    def f(x: Any, w: Any) -> list[Any]:
        h = tg.tanh(w @ tg.stack([x, 2.0 * x, x / 3.0]))
        return [
            h,
            tg.softmax(h * 2.0 - 1.0)[0] ** x + 2.0**x - x**2,
            tg.concatenate([h, h])[1:3].reshape(2, 1),
        ]

    rng = np.random.default_rng(0)
    w = rng.normal(size=(2, 3))
    x_value, w_value = tg.Value(1.0, name="x"), tg.Value(np.ones((2, 3)), name="w")
    replayed = tg.Tape(f(x_value, w_value)).replay({"x": at, "w": w})
    fresh = f(at, w)

    for a, b in zip(replayed, fresh, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
        assert type(a) is (float if np.ndim(b) == 0 else np.ndarray)


def test_a_replay_without_inputs_gives_the_primals() -> None:
    *_, out = layered()

    assert tg.Tape(out).replay() == out.data
    assert tg.Tape([out, out]).replay({}) == [out.data, out.data]


def test_a_replay_touches_neither_data_nor_grads() -> None:
    w, x, out = neuron()
    out.backward()
    grads = (w.grad, x.grad, out.grad)
    tg.Tape(out).replay({w: 9.0})

    assert (w.data, x.data) == (3.0, 2.0)
    assert (w.grad, x.grad, out.grad) == grads


def test_inputs_are_named_by_value_position_or_name() -> None:
    w, _, out = neuron()
    tape = tg.Tape(out)
    expected = np.tanh(7 * 2.0 - 5)

    for key in (w, 0, "w"):
        assert tape.replay({key: 7.0}) == pytest.approx(expected)
    assert tape.replay({w: 7}) == pytest.approx(expected)
    assert tape.replay({"w": np.float32(7), "x": 2}) == pytest.approx(expected)


def test_a_rebound_leaf_is_replayed_with_its_new_data() -> None:
    x = tg.Value(2.0)
    tape = tg.Tape(x * x)
    x.data = 5.0

    assert tape.replay() == 25.0


def test_replay_refuses_what_is_no_leaf_of_the_tape() -> None:
    w, x, out = neuron()
    x.name = "w"
    tape = tg.Tape(out)

    with pytest.raises(KeyError, match="2 values on this tape are named 'w'"):
        tape.replay({"w": 1.0})
    with pytest.raises(KeyError, match="0 values on this tape are named 'nobody'"):
        tape.replay({"nobody": 1.0})
    with pytest.raises(KeyError, match="is not on this tape"):
        tape.replay({tg.Value(1.0): 1.0})
    for key in (2, out):
        with pytest.raises(KeyError, match=r"is the result of .*; only leaves take new data"):
            tape.replay({key: 1.0})
    with pytest.raises(ValueError, match=r"has shape \(1,\); the leaf has \(\)"):
        tape.replay({w: [1.0]})


# ------------------------------------------------------------------------- the complex step


def test_the_complex_step_through_a_replay() -> None:
    def f(x: Any) -> Any:
        return (
            tg.exp(-x * x) * tg.sin(x) / (1.0 + x**2)
            + tg.sigmoid(x)
            + tg.sqrt(2.0 + x)
            + tg.logsumexp(tg.stack([x, 1.0]))
        )

    x = tg.Value(0.7)
    found = tg.Tape(f(x)).replay({x: 0.7 + 1e-30j})

    assert isinstance(found, complex)
    assert found.imag / 1e-30 == pytest.approx(tg.grad(f)(0.7), rel=1e-13)


def test_the_complex_step_through_arrays() -> None:
    w = tg.Value(np.array([[0.5, -1.0], [1.0, 0.3]]))
    out = (
        tg.softmax(w @ w.T)[0].var()
        + tg.norm(w)
        + w.prod()
        + tg.einsum("ij,ji->", w, w)
        + tg.cumprod(w).sum()
    )
    out.backward()
    tape = tg.Tape(out)
    for place in np.ndindex(2, 2):
        moved = np.asarray(w.data).astype(complex)
        moved[place] += 1e-30j
        assert tape.replay({w: moved}).imag / 1e-30 == pytest.approx(w.grad[place], rel=1e-12)


def test_complex_data_are_refused_by_ops_that_are_not_analytic() -> None:
    x = tg.Value(0.7)
    for f, name in (
        (tg.relu, "relu"),
        (tg.cbrt, "cbrt"),
        (lambda v: tg.maximum(v, 0.0), "maximum"),
        (tg.erf, "erf"),
    ):
        with pytest.raises(TypeError, match=f"{name} is not analytic, so it takes no complex data"):
            tg.Tape(f(x)).replay({x: 0.7 + 1j})
    y = tg.Value(2.0)
    out = tg.relu(y) * x
    assert tg.Tape(out).replay({x: 1j}) == 2j


# ----------------------------------------------------------------------------------- verify


@pytest.mark.parametrize("build", [neuron, layered])
def test_a_sound_record_verifies(build: Callable[[], tuple[tg.Value, tg.Value, tg.Value]]) -> None:
    *_, out = build()
    tg.Tape(out).verify()
    out.backward()
    tg.Tape([out, out * 2.0]).verify()


def test_records_of_infinite_and_undefined_numbers_verify() -> None:
    x = tg.Value(0.0)
    tg.Tape(1.0 / x - 1.0 / x + tg.log(x)).verify()


def test_records_of_rebound_leaves_verify() -> None:
    p, w = tg.Value(2.0), tg.Value([1.0, 2.0])
    out = (p * p + w.sum()) * p
    p.data = 5.0
    w.data = [7.0, 7.0]

    tg.Tape(out).verify()


def test_a_changed_primal_is_found() -> None:
    for v in (tg.Value(3.0), tg.Value([3.0, 4.0])):
        square = v * v
        out = square + 1.0
        square._data = square._data * 1.001
        with pytest.raises(
            AssertionError, match=r"<op multiply> number \d+ does not give its primal again"
        ):
            tg.Tape(out).verify()


def test_a_changed_shape_is_found() -> None:
    square = tg.Value([3.0, 4.0]) ** 2.0
    square._data = square._data[:1]

    with pytest.raises(AssertionError, match="does not give its primal again"):
        tg.Tape(square).verify()


def test_an_operand_out_of_order_is_found() -> None:
    x = tg.Value(3.0)
    out = x * 2.0
    x._n = out._n + 1

    with pytest.raises(
        AssertionError, match=r"operand \d+ of <op multiply> is not defined before its use"
    ):
        tg.Tape(out).verify()


def test_a_number_that_occurs_twice_is_found() -> None:
    out = tg.Value(3.0) * 2.0
    tape = tg.Tape(out)
    tape.values.append(out)

    with pytest.raises(AssertionError, match=r"number \d+ is assigned twice"):
        tape.verify()


def test_a_wrong_number_of_operands_is_found() -> None:
    out = tg.Value([3.0]) * 2.0
    out._a = (*out._a, 1.0)

    with pytest.raises(AssertionError, match=r"<op multiply> has 3 operands, not 2"):
        tg.Tape(out).verify()


def test_what_carries_no_derivative_is_a_constant_of_the_tape() -> None:
    w, x = tg.Value(2.0), tg.Value(3.0)

    def f() -> tuple[Any, Any]:
        w.grad = None
        loss = tg.relu(w * x) * w
        loss.backward()
        return loss, w.grad

    tape = tg.record(f)
    entries = list(tape)
    assert len(entries) == len(tape)
    assert str(tape)
    for entry in entries:
        assert all(0 <= i < len(tape) for i in entry.inputs if isinstance(i, int))
