"""Clipping of gradients: definitions, PyTorch's numbers, refusals, compiled steps."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.nn.utils import clip_grad_norm_, clip_grad_value_


def with_gradients(*gradients: Any) -> list[tg.Value]:
    found = []
    for i, g in enumerate(gradients):
        p = tg.Value(np.zeros(np.shape(g)) if np.ndim(g) else 0.0, name=f"p{i}")
        p.grad = np.array(g) if np.ndim(g) else g
        found.append(p)
    return found


@pytest.mark.parametrize(
    ("norm_type", "total", "factor"),
    [
        (2.0, 13.0, 6.5 / (13.0 + 1e-6)),
        (1.0, 19.0, 6.5 / (19.0 + 1e-6)),
        (math.inf, 12.0, 6.5 / (12.0 + 1e-6)),
    ],
)
def test_all_gradients_get_one_factor(norm_type: float, total: float, factor: float) -> None:
    params = with_gradients([3.0, -4.0], -12.0)
    assert clip_grad_norm_(params, 6.5, norm_type) == pytest.approx(total, rel=1e-14)
    np.testing.assert_allclose(params[0].grad, [3 * factor, -4 * factor], rtol=1e-14)
    assert params[1].grad == pytest.approx(-12 * factor, rel=1e-14)
    assert type(params[1].grad) is float


def test_short_gradients_are_left_as_they_are() -> None:
    params = with_gradients([3.0, -4.0], 0.0)
    assert clip_grad_norm_(params, 5.1) == 5.0
    assert params[0].grad.tolist() == [3.0, -4.0]
    clip_grad_value_(params, 4.0)
    assert params[0].grad.tolist() == [3.0, -4.0]


def test_values_are_clipped_one_by_one() -> None:
    params = with_gradients([[3.0, -4.0], [0.5, 1.0]], -12.0)
    clip_grad_value_(iter(params), 1.0)
    assert params[0].grad.tolist() == [[1.0, -1.0], [0.5, 1.0]]
    assert params[1].grad == -1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm_type", [1.0, 1.5, 2.0, 3.0, math.inf])
def test_pytorch_clips_to_the_same_numbers(norm_type: float, dtype: Any) -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape).astype(dtype) for shape in ((3, 4), (5,), (1,), (0,))]
    for limit in (0.1, 2.0, 100.0):
        ours = [tg.Value(np.zeros_like(g)) for g in gradients]
        theirs = [torch.zeros(g.shape, dtype=getattr(torch, dtype.__name__)) for g in gradients]
        for p, q, g in zip(ours, theirs, gradients, strict=True):
            p.grad, q.grad = g.copy(), torch.tensor(g)
        if norm_type == math.inf:
            ours, theirs = ours[:3], theirs[:3]  # PyTorch has no largest of nothing
        total = torch.nn.utils.clip_grad_norm_(theirs, limit, norm_type)
        rtol = 1e-12 if dtype is np.float64 else 1e-6
        assert clip_grad_norm_(ours, limit, norm_type) == pytest.approx(total.item(), rel=rtol)
        clip_grad_value_(ours, 0.05)
        torch.nn.utils.clip_grad_value_(theirs, 0.05)
        for p, q in zip(ours, theirs, strict=True):
            assert p.grad.dtype == dtype
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=rtol)


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=5), st.floats(1e-3, 1e3))
def test_what_comes_out_is_never_longer(numbers: list[float], limit: float) -> None:
    (p,) = with_gradients(numbers)
    clip_grad_norm_(p, limit)
    assert np.linalg.norm(p.grad) <= limit * (1 + 1e-12)
    (p,) = with_gradients(numbers)
    clip_grad_value_(p, limit)
    assert np.abs(p.grad).max() <= limit


def test_nothing_to_clip_is_no_mistake() -> None:
    p = tg.Value([1.0, 2.0])
    assert clip_grad_norm_([p], 1.0) == 0.0
    assert clip_grad_norm_([], 1.0) == 0.0
    clip_grad_value_([p], 1.0)
    assert p.grad is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("clip", [clip_grad_norm_, clip_grad_value_])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, math.inf])
def test_gradients_that_are_not_finite_are_refused_by_name(
    clip: Any, bad: float, norm_type: float
) -> None:
    first, second = nn.Linear(2, 3, rng=0), nn.Linear(3, 1, rng=0)
    model = nn.Sequential(first, second)
    for p in model.parameters():
        p.grad = np.full(p.shape, 10.0)
    second.weight.grad[0, 2] = bad
    settings = {"norm_type": norm_type} if clip is clip_grad_norm_ else {}
    with pytest.raises(
        RuntimeError, match=rf"the gradient of 1.weight, shape \(1, 3\), holds {bad} at \[0, 2\]"
    ):
        clip(model.parameters(), 1.0, **settings)
    assert (first.weight.grad == 10.0).all()  # nothing was touched


def test_a_parameter_without_a_name_is_called_by_its_number() -> None:
    p, q = tg.Value(1.0), tg.Value(1.0)
    p.grad, q.grad = 1.0, math.nan
    with pytest.raises(RuntimeError, match=r"of parameter 1, shape \(\), holds nan; nothing"):
        clip_grad_norm_([p, q], 1.0)


def test_not_finite_gradients_pass_as_in_pytorch_if_asked_to() -> None:
    (p,) = with_gradients([math.nan, 1.0])
    assert math.isnan(clip_grad_norm_(p, 1.0, error_if_nonfinite=False))
    assert np.isnan(p.grad).all()
    (p,) = with_gradients([math.inf, math.nan, 0.5])
    clip_grad_value_(p, 1.0, error_if_nonfinite=False)
    np.testing.assert_array_equal(p.grad, [1.0, math.nan, 0.5])


def test_a_norm_that_overflows_says_so() -> None:
    params = with_gradients([1.5e308, 1.5e308])
    with (
        np.errstate(over="ignore"),
        pytest.raises(RuntimeError, match="gradients are finite, but their norm"),
    ):
        clip_grad_norm_(params, 1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: clip_grad_norm_(p, 0.0), ValueError, "clip_grad_norm_: max_norm must be above 0"),
        (lambda p: clip_grad_norm_(p, math.inf), ValueError, "max_norm must be above 0 and finite"),
        (lambda p: clip_grad_norm_(p, 1.0, 0.5), ValueError, "norm_type must be at least 1, or inf"),
        (lambda p: clip_grad_value_(p, -1.0), ValueError, "clip_value must be above 0 and finite, got -1.0"),
        (lambda p: clip_grad_norm_(3.0, 1.0), TypeError, r"such as model.parameters\(\); got float"),  # type: ignore[arg-type]
        (lambda p: clip_grad_value_([p, "w"], 1.0), TypeError, "parameter 1 is str, a Value is needed"),  # type: ignore[list-item]
    ],
)  # fmt: skip
def test_refusals(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.Value(1.0))


def twin() -> tuple[Any, Any]:
    model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.Tanh(), nn.Linear(4, 1, rng=1))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        clip_grad_value_(model.parameters(), 0.5)
        total = clip_grad_norm_(model.parameters(), 0.4)
        optimizer.step()
        return loss, total

    return model, step


def number(x: Any) -> Any:
    return x.data if isinstance(x, tg.Value) else x


def test_compiled_steps_clip_as_eager_ones() -> None:
    (ours, step), (theirs, eager) = twin(), twin()
    compiled: Any = tg.compile(step)
    rng = np.random.default_rng(0)
    clipped = 0
    for _ in range(20):
        x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
        got, want = compiled(x, y), eager(x, y)
        clipped += want[1] > 0.4
        for a, b in zip(got, want, strict=True):
            assert number(a) == pytest.approx(number(b), rel=1e-11)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.data, q.data, rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(p.grad, q.grad, rtol=1e-11, atol=1e-13)
    assert 0 < clipped < 20
    assert compiled.eager_calls == 0
    with pytest.raises(RuntimeError, match=r"the gradient of 0.weight, shape .* holds nan"):
        compiled(np.full((5, 2), math.nan), np.zeros((5, 1)))


def test_clipping_does_not_hide_a_forgotten_zero_grad() -> None:
    p = tg.Value(1.0)
    optimizer = tg.optim.SGD([p], lr=0.1)
    (p * p).backward()
    clip_grad_norm_([p], 1.0)
    optimizer.step()
    (p * p).backward()
    clip_grad_norm_([p], 1.0)
    clip_grad_value_([p], 1.0)
    with pytest.warns(RuntimeWarning, match="zero_grad"):
        optimizer.step()
    optimizer.zero_grad()
    (p * p).backward()
    clip_grad_norm_([p], 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
