"""What a compiled function tells: explain, source, stats; and what it refuses."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.compiler import Compiled
from tinygrad_lecture.compiler.program import Gather, Program, ProgramError, View, verify

rng = np.random.default_rng(5)
POINTS = rng.normal(size=(20, 2)).tolist()
LABELS = rng.choice([-1.0, 1.0], 20).tolist()


def hinge(weights: Any) -> Any:
    total = 0.0
    for point, label in zip(POINTS, LABELS, strict=True):
        score = sum(w * x for w, x in zip(weights, point, strict=False)) + weights[2]
        total = total + tg.relu(1.0 - label * score)
    return total / len(POINTS) + 1e-3 * sum(w * w for w in weights)


def network(x: Any, w: Any) -> Any:
    hidden = tg.tanh(x @ w)
    return tg.where(hidden > 0.2, hidden, 0.1 * hidden).mean() + tg.max(hidden)


def scalars(x: Any, y: Any) -> Any:
    return tg.exp(-x * x) * y + tg.sigmoid(y) / (1.0 + x**3)


CASES: list[tuple[str, Any, tuple[Any, ...], tuple[Any, ...]]] = [
    ("hinge", tg.value_and_grad(hinge), (np.array([0.1, 0.2, 0.3]),), (np.array([0.5, -1.0, 2.0]),)),
    (
        "network",
        tg.value_and_grad(network, (0, 1)),
        (rng.normal(size=(4, 3)), rng.normal(size=(3, 2))),
        (rng.normal(size=(4, 3)), rng.normal(size=(3, 2))),
    ),
    ("scalars", tg.value_and_grad(scalars, (0, 1)), (0.3, 0.4), (1.3, -0.4)),
    ("hessian", tg.hessian(lambda x: (x[0] ** 2 * x[1]).sum() + tg.sin(x[1])), (np.ones(2),), (np.array([2.0, 3.0]),)),
]  # fmt: skip


def flat(x: Any) -> Any:
    return np.concatenate([np.ravel(part) for part in tg.engine.nest.flatten(x)[0]])


@pytest.mark.parametrize(("name", "function", "first", "other"), CASES, ids=[c[0] for c in CASES])
def test_source_runs_on_its_own_and_gives_the_same_numbers(
    name: str, function: Any, first: Any, other: Any
) -> None:
    fast = tg.compile(function)
    fast(*first)
    scope: dict[str, Any] = {}
    exec(compile(fast.program.source(), "<source>", "exec"), scope)
    for args in (first, other):
        inputs = list(args)
        found = np.concatenate([np.ravel(x) for x in scope["program"](inputs)])
        np.testing.assert_allclose(found, flat(fast(*args)), rtol=1e-13)
        np.testing.assert_allclose(found, flat(function(*args)), rtol=1e-10)


def test_source_of_a_training_step_gives_the_new_state() -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss_fn = nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    fast = tg.compile(step)
    x, y = rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])
    fast(x, y)
    fast(x, y)
    scope: dict[str, Any] = {}
    text = fast.program.source()
    exec(compile(text, "<source>", "exec"), scope)
    places = {
        "argument 0": x, "argument 1": y, "lr": 0.1, "momentum": 0.9, "dampening": 0.0,
        "weight_decay": 0.0,
    }  # fmt: skip
    for name, p in model.named_parameters():
        places[f"{name}.data"] = np.array(p.data)
        places[f"{name} momentum"] = np.array(optimizer.state[p]["momentum_buffer"])
    named = [
        line.split(". ", 1)[1].split(", shape")[0]
        for line in text.split('"""')[1].splitlines()
        if ". " in line
    ]
    wanted = named[: named.index("result 0")]
    buffers = iter(optimizer.state[p]["momentum_buffer"] for p in model.parameters())
    inputs = [next(buffers).copy() if n == "momentum_buffer" else places[n] for n in wanted]
    outputs = dict(zip(named[len(wanted) :], scope["program"](inputs), strict=False))
    fast(x, y)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(outputs[f"new {name}.data"], p.data, rtol=1e-12)


def test_explain_lists_every_instruction_with_its_figures() -> None:
    fast = tg.compile(tg.value_and_grad(hinge))
    fast(np.array([0.1, 0.2, 0.3]))
    text = fast.program.explain()
    stats = fast.program.stats()

    assert text.splitlines()[0].startswith(f"{stats['recorded_ops']:,} recorded ops became ")
    assert "20 sums of 3 products" in text
    assert sum(stats["by_op"].values()) == stats["instructions"]
    assert stats["matrix_products"] == stats["by_op"]["matmul"]
    assert "... " in fast.program.explain(limit=2).splitlines()[-1]
    assert stats["flops"] > 2 * 20 * 3
    assert stats["calls"] == 1
    assert set(stats["build_seconds"]) == {"record", "simplify", "lift", "plan", "execute"}


def test_explain_says_why_a_narrow_graph_is_not_lifted() -> None:
    fast = tg.compile(scalars)
    fast(0.1, 0.2)
    assert "too narrow to lift" in fast.program.explain()
    assert fast.program.stats()["kind"] == "straight-line Python"
    exact = tg.compile(scalars, exact=True)
    exact(0.1, 0.2)
    assert "exact=True" in exact.program.explain()


def test_explain_counts_what_stayed_a_gather() -> None:
    order = np.random.default_rng(0).permutation(400).tolist()
    fast = tg.compile(lambda x: sum(tg.sin(x[i] * x[j]) for i, j in enumerate(order)))
    fast(rng.normal(size=400))
    assert "picked one by one" in fast.program.explain()
    assert fast.program.stats()["gathered_elements"] > 0


MEMORY = """
import os
import numpy as np
import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.compiler.execute import Executable

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

model = nn.Sequential(nn.Linear(200, {n}, rng=0), nn.Tanh(), nn.Linear({n}, 100, rng=1))
x = np.random.default_rng(0).normal(size=(256, 200))

def step(x):
    model.zero_grad()
    loss = tg.mean(model(x) ** 2)
    loss.backward()
    return loss

fast = tg.compile(step)
fast(x)
before = resident()
twin = Executable(fast.program.program, fast.program.surface.guards)
for _ in range(2):
    twin.run([x])
print(resident() - before, fast.program.stats()["memory_bytes"])
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux")
@pytest.mark.parametrize("n", [500, 800, 2000])
def test_memory_is_what_stats_says(n: int) -> None:
    code = MEMORY.format(n=n)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, said = map(int, ran.stdout.split())
    assert said > 2_000_000
    assert shown <= 1.2 * said
    assert said <= 1.2 * shown


def _steps(fast: Compiled, x: Any, y: Any, n: int) -> None:
    for _ in range(n):
        fast(x, y)


@pytest.mark.slow
def test_a_hundred_thousand_steps_allocate_nothing_that_stays() -> None:
    model = nn.Sequential(nn.Linear(4, 8, rng=0), nn.ReLU(), nn.Linear(8, 3, rng=1))
    optimizer = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    loss_fn = nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    fast = tg.compile(step)
    x, y = rng.normal(size=(8, 4)), np.arange(8) % 3
    gc.disable()
    try:
        _steps(fast, x, y, 1000)
        tracemalloc.start()
        _steps(fast, x, y, 100)
        before = tracemalloc.get_traced_memory()[0]
        _steps(fast, x, y, 100_000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 4096
    assert len(fast.programs) == 2  # the first step has no momentum yet
    assert fast.program.moves == 0


def test_a_function_is_needed() -> None:
    with pytest.raises(
        TypeError, match=r"compile takes a function, and float came: tg.compile\(f\)"
    ):
        tg.compile(3.0)


def test_there_is_no_program_before_the_first_call() -> None:
    fast = tg.compile(scalars)
    with pytest.raises(RuntimeError, match="has no program yet: it is recorded at the first call"):
        _ = fast.program
    assert repr(fast) == "<compiled scalars, 0 program(s)>"


def test_the_result_refuses_to_go_back_through_the_program() -> None:
    w = tg.Value(2.0)
    fast = tg.compile(lambda x: w * x)
    out = fast(3.0)
    assert out.item() == 6.0
    with pytest.raises(TypeError, match=r"no record to go back through.*compile the whole step"):
        (out * 2.0).backward()


def test_labels_out_of_range_are_refused_at_every_call() -> None:
    fast = tg.compile(tg.value_and_grad(lambda z, y: tg.softmax_cross_entropy(z, y).mean()))
    z = rng.normal(size=(4, 3))
    fast(z, np.array([0, 1, 2, 0]))
    for wrong in ([0, 1, 3, 0], [0, -1, 2, 0]):
        with pytest.raises(ValueError, match=r"labels have to lie in 0\.\.2 for 3 classes"):
            fast(z, np.array(wrong))


def test_a_tape_replays_with_new_inputs_and_refuses_other_shapes() -> None:
    tape = tg.record(tg.value_and_grad(scalars, (0, 1)), 0.3, 0.4)
    assert tape.replay(1.0, 2.0) == tg.value_and_grad(scalars, (0, 1))(1.0, 2.0)
    assert len(tape.inputs) == 2
    with pytest.raises(ValueError, match="argument 0 has shape"):
        tape.replay(np.ones(2), 2.0)
    with pytest.raises(ValueError, match="structure"):
        tape.replay(1.0)


def _program() -> Program:
    program = Program()
    program.add("input", (), {}, (4,))
    program.add("negative", (0,), None, (4,))
    program.outputs = [1]
    return program


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.args.__setitem__(1, (1,)), "row 1 .negative. reads row 1"),
        (lambda p: p.args.__setitem__(1, (View(0, 2, (4,), (1,)),)), "reaches outside of its row"),
        (lambda p: p.args.__setitem__(1, (View(0, 1, (4,), (-1,)),)), "reaches outside of its row"),
        (
            lambda p: p.args.__setitem__(1, (Gather(np.array([0]), np.array([4])),)),
            "gathers outside",
        ),
        (lambda p: p.outputs.append(7), "output 7 is no row"),
        (lambda p: p.shape.pop(), "column shape has 1 rows, not 2"),
    ],
)
def test_the_verifier_objects(spoil: Callable[[Program], Any], message: str) -> None:
    verify(_program())
    program = _program()
    spoil(program)
    with pytest.raises(ProgramError, match=message):
        verify(program)


def test_threads_may_share_a_compiled_function() -> None:
    function = tg.value_and_grad(lambda x: (tg.tanh(x) * x).sum())
    fast = tg.compile(function)
    points = [rng.normal(size=50) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fast, points))
    for x, (value, gradient) in zip(points, found, strict=True):
        np.testing.assert_allclose(value, function(x)[0], rtol=1e-12)
        np.testing.assert_allclose(gradient, function(x)[1], rtol=1e-12)


def test_a_method_may_be_compiled() -> None:
    class Scaled:
        def __init__(self, factor: float) -> None:
            self.factor = tg.Value(factor)

        @tg.compile  # type: ignore[untyped-decorator]
        def apply(self, x: Any) -> Any:
            return tg.sum(self.factor * x)

    two, three = Scaled(2.0), Scaled(3.0)
    for _ in range(2):
        assert two.apply(np.ones(4)).item() == 8.0
        assert three.apply(np.ones(4)).item() == 12.0
    two.factor.data = 5.0
    assert two.apply(np.ones(4)).item() == 20.0
