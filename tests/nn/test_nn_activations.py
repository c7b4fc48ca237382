"""Activations: what the lecture says of them, extremes, kinks, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from module_cases import ACTIVATIONS, Case

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.nn import functional as F

HUGE = np.array([[-1e3, -800.0, -50.0], [50.0, 800.0, 1e3]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", ACTIVATIONS, ids=lambda case: case.text)
def test_huge_inputs_give_finite_values_and_derivatives(case: Case, dtype: Any) -> None:
    points = HUGE[:, [0, 2]] if "GLU" in case.text else HUGE
    x = tg.Value(points.astype(dtype))
    module = case.make(nn)
    y = module(x)
    y.sum().backward()
    assert np.isfinite(y.data).all()
    assert np.isfinite(x.grad).all()
    for name, p in module.named_parameters():
        assert np.isfinite(p.grad).all(), name
    assert isinstance(module(x.data), tg.Value) is bool(list(module.parameters()))


@pytest.mark.parametrize(
    ("module", "left", "right"),
    [
        (nn.Sigmoid(), 0.0, 1.0), (nn.Tanh(), -1.0, 1.0), (nn.Softsign(), -1.0, 1.0),
        (nn.LeCunTanh(), -1.7159, 1.7159), (nn.Hardtanh(), -1.0, 1.0), (nn.ELU(2.0), -2.0, None),
        (nn.SELU(), -1.7580993408473766, None), (nn.SiLU(), 0.0, None), (nn.GELU(), 0.0, None),
        (nn.Mish(), 0.0, None), (nn.Softplus(), 0.0, None), (nn.ReLU(), 0.0, None),
        (nn.LeakyReLU(), -1e4, None), (nn.Hardswish(), 0.0, None), (nn.Hardsigmoid(), 0.0, 1.0),
    ],
    ids=repr,
)  # fmt: skip
def test_limits(module: nn.Module, left: float, right: float | None) -> None:
    # None: the identity, or a multiple of it
    low, high = module(np.array([-1e6, 1e6]))
    assert low == pytest.approx(left, rel=1e-5)
    assert high == pytest.approx(
        1e6 * (1.0507009873554805 if isinstance(module, nn.SELU) else 1.0)
        if right is None
        else right,
        rel=1e-5,
    )


@pytest.mark.parametrize(
    ("module", "value", "slope"),
    [
        (nn.Tanh(), 0.0, 1.0), (nn.Sigmoid(), 0.5, 0.25), (nn.ReLU(), 0.0, 0.0),
        (nn.LeakyReLU(), 0.0, 0.01), (nn.ELU(), 0.0, 1.0), (nn.SiLU(), 0.0, 0.5),
        (nn.GELU(), 0.0, 0.5), (nn.Softplus(), np.log(2), 0.5), (nn.Softsign(), 0.0, 1.0),
        (nn.LeCunTanh(), 0.0, 1.7159 * 2 / 3), (nn.PReLU(), 0.0, 0.25), (nn.Swish(), 0.0, 0.5),
        (nn.Hardtanh(), 0.0, 1.0), (nn.Mish(), 0.0, 0.6), (nn.CELU(3.0), 0.0, 1.0),
        (nn.SELU(), 0.0, 1.7580993408473766), (nn.Threshold(0.0, 2.0), 2.0, 0.0),
    ],
    ids=repr,
)  # fmt: skip
def test_value_and_slope_at_0(module: nn.Module, value: float, slope: float) -> None:
    x = tg.Value(np.zeros((1, 1)))
    y = module(x)
    y.sum().backward()
    assert y.item() == pytest.approx(value, abs=1e-15)
    assert x.grad.item() == pytest.approx(slope, abs=1e-15)


def test_tanh_is_a_stretched_sigmoid() -> None:
    x = np.linspace(-4, 4, 41)
    np.testing.assert_allclose(F.tanh(x), 2 * F.sigmoid(2 * x) - 1, rtol=1e-13, atol=1e-15)


def test_lecun_tanh_keeps_its_targets_and_bends_most_near_them() -> None:
    # L67: f(1) = .9999973; |f''| is largest at 1.5 artanh(1/sqrt 3) = .98772
    assert F.lecun_tanh(1.0) == pytest.approx(0.9999973, abs=5e-8)
    assert F.lecun_tanh(-1.0) == -F.lecun_tanh(1.0)
    x = np.linspace(0.9, 1.1, 2001)
    second = tg.grad(lambda x: tg.grad(lambda x: F.lecun_tanh(x).sum())(x).sum())(x)
    assert x[np.argmax(np.abs(second))] == pytest.approx(1.5 * np.arctanh(3**-0.5), abs=1e-4)
    assert tg.grad(lambda x: F.lecun_tanh(x, twist=0.1))(100.0) == pytest.approx(0.1)
    draws = np.random.default_rng(0).normal(size=200_000)
    assert F.lecun_tanh(draws).std() == pytest.approx(0.866, abs=3e-3)


def test_swish_between_half_the_identity_and_relu() -> None:
    # L60: minimum -.27846 at -1.27846; sup |swish - relu| = .27846/beta; f' = b f + s (1 - b f)
    x = np.linspace(-5, 5, 100_001)
    y = F.silu(x)
    assert x[np.argmin(y)] == pytest.approx(-1.27846, abs=1e-4)
    assert y.min() == pytest.approx(-0.27846, abs=1e-5)
    np.testing.assert_array_equal(F.swish(x, 0.0), x / 2)
    for beta in (1.0, 4.0, 20.0):
        f, s = F.swish(x, beta), F.sigmoid(beta * x)
        assert np.abs(f - F.relu(x)).max() == pytest.approx(0.278465 / beta, rel=1e-4)
        slope = tg.grad(lambda x, beta=beta: F.swish(x, beta).sum())(x)
        np.testing.assert_allclose(slope, beta * f + s * (1 - beta * f), rtol=1e-9, atol=1e-12)
        wrt_beta = tg.grad(lambda b: F.swish(x[:9], b).sum())(beta)
        assert wrt_beta == pytest.approx((x[:9] ** 2 * s[:9] * (1 - s[:9])).sum(), rel=1e-9)


def test_the_beta_of_swish_moves_when_it_is_trained() -> None:
    act = nn.Swish()
    optimizer = tg.optim.SGD(act.parameters(), lr=0.1)
    x = np.linspace(-2, 2, 21)
    target = F.swish(x, 3.0)
    for _ in range(600):
        optimizer.zero_grad()
        (1e2 * F.mse_loss(act(x), target)).backward()
        optimizer.step()
    assert act.beta.data == pytest.approx([3.0], abs=1e-3)  # type: ignore[union-attr]
    assert not list(nn.Swish(trainable=False).parameters())
    assert repr(nn.Swish(2.0, trainable=False)) == "Swish(beta=2.0)"
    assert repr(nn.Swish(num_parameters=3)) == "Swish(trainable, 3 beta)"


def test_softplus_is_exact_where_pytorch_cuts_off() -> None:
    assert F.softplus(20.5) - 20.5 == pytest.approx(np.exp(-20.5), rel=1e-6)
    assert F.softplus(20.5, threshold=20.0) == 20.5
    assert tg.grad(lambda x: F.softplus(x, 2.0, 20.0))(11.0) == 1.0


def test_maxout_takes_the_first_of_equal_pieces() -> None:
    x = tg.Value([[2.0, 2.0, 1.0, 3.0]])
    F.maxout(x, 2).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 0.0, 1.0]]
    assert F.maxout(np.zeros((0, 4)), 2).shape == (0, 2)


def test_selu_keeps_mean_and_variance() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 300))
    for _ in range(10):
        x = F.selu(x @ rng.normal(size=(300, 300)) / np.sqrt(300))
    assert abs(x.mean()) < 0.1
    assert x.std() == pytest.approx(1.0, abs=0.1)


def test_settings_are_shown_and_can_be_changed_between_compiled_calls() -> None:
    assert repr(nn.LeakyReLU()) == "LeakyReLU(negative_slope=0.01)"
    assert repr(nn.Hardtanh(0, 2.0)) == "Hardtanh(min_val=0, max_val=2.0)"
    assert repr(nn.GELU("tanh")) == "GELU(approximate='tanh')"
    assert repr(nn.PReLU(3)) == "PReLU(num_parameters=3)"
    act = nn.LeakyReLU(0.5)
    f = tg.compile(lambda x: act(x))
    x = np.array([-2.0, 1.0])
    assert f(x).tolist() == [-1.0, 1.0]
    act.negative_slope = 0.25
    assert f(x).tolist() == [-0.5, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.gelu(1.0, "erf"), 'gelu: approximate is "none" or "tanh", got \'erf\''),  # type: ignore[arg-type]
        (lambda: F.softplus(1.0, beta=0.0), r"softplus: beta must be positive, got 0\.0"),
        (lambda: F.celu(1.0, alpha=-1.0), r"celu: alpha must be positive, got -1\.0"),
        (lambda: F.hardtanh(1.0, 2.0, 1.0), r"hardtanh: min_val must be below max_val, got 2\.0"),
        (lambda: F.softshrink(1.0, -0.5), r"softshrink: lambd must be at least 0, got -0\.5"),
        (lambda: F.glu(np.ones((2, 3))), r"glu: axis -1 must have an even length, got shape \(2, 3\)"),
        (lambda: F.maxout(np.ones((2, 3)), 2), r"multiple of num_pieces=2 elements.*\(2, 3\)"),
        (lambda: F.maxout(np.ones((2, 3)), 0), "num_pieces=0"),
        (lambda: nn.PReLU(3)(np.ones((2, 4))), r"prelu: 3 channels need.*got \(2, 4\)"),
        (lambda: nn.Swish(num_parameters=3)(np.ones((2, 4))), r"swish: 3 channels need.*got \(2, 4\)"),
        (lambda: F.prelu(np.ones(3), np.ones((1, 3))), r"prelu: the parameter must have shape \(C,\)"),
        (lambda: nn.PReLU(0), "PReLU: num_parameters must be at least 1, got 0"),
        (lambda: nn.Swish(num_parameters=0), "Swish: num_parameters must be at least 1, got 0"),
        (lambda: F.softmax(1.0), "softmax needs an array with at least one axis"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
