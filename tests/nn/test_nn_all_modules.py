"""Every module of the table: PyTorch's values and gradients, gradcheck, compiled equals eager."""

from __future__ import annotations

from typing import Any

import module_cases
import numpy as np
import pytest
from module_cases import RUNS, Run, places

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.engine.value import raw

NUMBERS = module_cases.stored()
runs = pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)


def test_every_module_is_in_the_table() -> None:
    texts = " ".join(run.case.text for run in RUNS)
    apart = {
        "Module", "ModuleList", "Parameter", "Standardize",  # no PyTorch module to compare with
        "MLP", "Layer", "Neuron", "IncompatibleKeys", "RemovableHandle",
    }  # fmt: skip
    classes = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)} - apart
    assert [name for name in sorted(classes) if f"nn.{name}(" not in texts] == []


@runs
def test_values_gradients_and_buffers_are_those_of_pytorch(run: Run) -> None:
    found, wanted = run.ours(), NUMBERS[run.name]
    assert list(found) == list(wanted)
    for name, want in wanted.items():
        assert np.shape(found[name]) == np.shape(want), name
        np.testing.assert_allclose(found[name], want, rtol=1e-10, atol=1e-10, err_msg=name)


@runs
def test_float32_stays_float32_and_is_close(run: Run) -> None:
    found, wanted = run.ours(np.float32), NUMBERS[run.name]
    for name, want in wanted.items():
        if np.ndim(want):
            assert found[name].dtype == np.float32, name
        scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
        np.testing.assert_allclose(found[name], want, rtol=1e-4, atol=3e-5 * scale, err_msg=name)


@runs
def test_the_stored_numbers_are_pytorchs(run: Run) -> None:
    pytest.importorskip("torch")
    fresh, kept = run.pytorchs(), NUMBERS[run.name]
    assert list(fresh) == list(kept)
    for name, want in fresh.items():
        np.testing.assert_allclose(kept[name], want, rtol=1e-13, atol=1e-13, err_msg=name)


@runs
@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_gradients_pass_gradcheck(run: Run, order: int) -> None:
    module, inputs = run.module(), run.inputs()
    where = places(module)
    floats = run.tracked()
    seed = run.cotangent(run.ours()["out"].shape if np.ndim(run.ours()["out"]) else ())

    def weighed(drawn: list[Any], parameters: dict[str, Any]) -> Any:
        arguments: list[Any] = list(inputs)
        for i, x in zip(floats, drawn, strict=True):
            arguments[i] = x
        for name, value in parameters.items():
            setattr(*where[name], value)
        return (module(*arguments) * seed).sum()

    parameters = {name: getattr(*place).data for name, place in where.items()}
    report = tg.gradcheck(weighed, [inputs[i] for i in floats], parameters, order=order)
    assert report.verdict.value == "pass", report


@runs
def test_forward_mode_agrees_with_reverse_mode_and_debug_has_nothing_to_say(run: Run) -> None:
    with tg.debug():
        seed = run.cotangent(np.shape(run.ours()["out"]))
    module, inputs, floats = run.module(), run.inputs(), run.tracked()

    def weighed(*drawn: Any) -> Any:
        arguments: list[Any] = list(inputs)
        for i, x in zip(floats, drawn, strict=True):
            arguments[i] = x
        return (module(*arguments) * seed).sum()

    primals = tuple(inputs[i] for i in floats)
    tangents = tuple(np.random.default_rng(3).normal(size=x.shape) for x in primals)
    _, pushed = tg.jvp(weighed, primals, tangents)
    pulled = tg.grad(weighed, tuple(range(len(primals))))(*primals)
    inner = sum((g * t).sum() for g, t in zip(pulled, tangents, strict=True))
    assert pushed == pytest.approx(inner, rel=1e-9, abs=1e-9)


@runs
@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
def test_compiled_equals_eager(run: Run, exact: bool) -> None:
    eager, ours, tracked = run.module(), run.module(), run.tracked()

    def step(module: nn.Module) -> Any:
        def call(*inputs: Any) -> Any:
            module.zero_grad()
            arguments = [tg.Value(x) if i in tracked else x for i, x in enumerate(inputs)]
            out = module(*arguments)
            (out * run.cotangent(out.shape)).sum().backward()
            return out, [arguments[i].grad for i in tracked]

        return call

    compiled: Any = tg.compile(step(ours), exact=exact)
    for more in range(3):
        inputs = run.inputs(more=more)
        (got, got_grads), (want, want_grads) = compiled(*inputs), step(eager)(*inputs)
        for a, b in zip([got, *got_grads], [want, *want_grads], strict=True):
            np.testing.assert_allclose(raw(a), raw(b), rtol=1e-12, atol=1e-12)
        for p, q in zip(ours.parameters(), eager.parameters(), strict=True):
            np.testing.assert_allclose(p.grad, q.grad, rtol=1e-12, atol=1e-12)
        for a, b in zip(ours.buffers(), eager.buffers(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert compiled.eager_calls == 0
