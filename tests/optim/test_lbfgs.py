"""LBFGS: minima that are known, PyTorch's optimum, what it refuses."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.errors import UsageError

pytest.importorskip("scipy")


def searched(loss: Any, *params: tg.Value, **settings: Any) -> tuple[Any, int]:
    """Take one step; return the loss that it tells, and the number of evaluations."""
    optimizer, calls = optim.LBFGS(params, **settings), 0

    def closure() -> Any:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return optimizer.step(closure), calls


def test_a_quadratic_is_solved_in_a_few_evaluations() -> None:
    rng = np.random.default_rng(0)
    A = rng.normal(size=(6, 4))
    target = rng.normal(size=6)
    x = tg.Value(np.zeros((2, 2)))
    _, calls = searched(lambda: ((tg.matmul(A, x.reshape(4)) - target) ** 2).sum(), x, max_iter=50)
    best = np.linalg.lstsq(A, target, rcond=None)[0]
    np.testing.assert_allclose(x.data.ravel(), best, atol=1e-5)
    assert calls < 25


def test_numbers_and_arrays_of_any_dtype_move_together() -> None:
    a, b = tg.Value(5.0), tg.Value(np.ones(3, np.float32))
    first, _ = searched(lambda: (a - 1) ** 2 + ((b - 2) ** 2).sum() + a * b.sum() * 0.1, a, b)
    assert first.item() == pytest.approx(16 + 3 + 1.5)
    # 2(a − 1) + .1·3b = 0 and 2(b − 2) + .1a = 0
    solution = np.linalg.solve([[2, 0.3], [0.1, 2]], [2, 4])
    assert type(a.data) is float
    assert a.data == pytest.approx(solution[0], abs=1e-3)
    assert b.dtype == np.float32
    np.testing.assert_allclose(b.data, solution[1], atol=1e-3)


def test_a_network_is_fitted_and_the_closure_may_be_compiled() -> None:
    X, y = tg.data.xor(signed=True)
    ends = []
    for wrap in (lambda f: f, tg.compile):
        model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 2, rng=1))
        optimizer = optim.LBFGS(model.parameters(), max_iter=100)

        def closure(model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(X), y)
            loss.backward()
            return loss

        optimizer.step(wrap(closure))
        ends.append(closure().item())
    assert max(ends) < 1e-5


def test_pytorch_finds_the_same_minimum() -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X, sign = rng.normal(size=(30, 4)), np.sign(rng.normal(size=30))
    w = tg.Value(np.zeros(4))
    searched(lambda: tg.log1p(tg.exp(-sign * tg.matmul(X, w))).mean() + 0.01 * (w * w).sum(), w,
             max_iter=100, tolerance_change=1e-14)  # fmt: skip
    v = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    other = torch.optim.LBFGS(
        [v], max_iter=100, line_search_fn="strong_wolfe", tolerance_change=1e-14
    )
    x, s = torch.tensor(X), torch.tensor(sign)

    def closure() -> Any:
        other.zero_grad()
        loss = torch.log1p(torch.exp(-s * (x @ v))).mean() + 0.01 * (v * v).sum()
        loss.backward()
        return loss

    other.step(closure)
    np.testing.assert_allclose(w.data, v.detach().numpy(), atol=1e-6)


def test_an_error_in_the_closure_leaves_the_best_point() -> None:
    x = tg.Value([3.0, -1.0])
    seen: list[Any] = []

    def loss() -> Any:
        if len(seen) == 3:
            raise KeyboardInterrupt
        value = (x * x * x * x).sum()
        seen.append((value.item(), x.data.copy()))
        return value

    with pytest.raises(KeyboardInterrupt):
        searched(loss, x)
    np.testing.assert_array_equal(x.data, min(seen, key=lambda pair: pair[0])[1])


def test_limits_and_tolerances_are_kept() -> None:
    def valley(x: tg.Value) -> Any:
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2

    counts = {}
    ways: dict[str, dict[str, Any]] = {
        "much": {"max_iter": 200},
        "few iterations": {"max_iter": 2},
        "few evaluations": {"max_iter": 200, "max_eval": 5},
        "loose gradient": {"max_iter": 200, "tolerance_grad": 10.0},
        "loose change": {"max_iter": 200, "tolerance_change": 0.5},
    }
    for name, settings in ways.items():
        x = tg.Value([-1.0, 2.0])
        _, counts[name] = searched(partial(valley, x), x, **settings)
    assert all(count < 0.5 * counts["much"] for name, count in counts.items() if name != "much")


def test_points_without_a_loss_are_left_again() -> None:
    # log of what the search makes negative is nan: the minimum of x − log x is at 1.
    x, seen = tg.Value([3000.0]), []

    def loss() -> Any:
        value = (x - tg.log(x)).sum()
        seen.append(value.item())
        return value

    first, _ = searched(loss, x, max_iter=100)
    assert first.item() == seen[0] == max(number for number in seen if number == number)
    assert any(number != number for number in seen)
    assert x.data[0] == pytest.approx(1.0, abs=1e-3)


def test_a_step_ends_where_the_loss_was_smallest() -> None:
    # Far from quadratic, and few evaluations: the last of them need not be the best.
    for evaluations in range(1, 12):
        x = tg.Value([2.0, -1.5])
        seen: dict[float, Any] = {}

        def loss(x: tg.Value = x, seen: dict[float, Any] = seen) -> Any:
            value = (tg.cos(5 * x) + x * x).sum()
            seen[value.item()] = x.data.copy()
            return value

        searched(loss, x, max_iter=50, max_eval=evaluations)
        np.testing.assert_array_equal(x.data, seen[min(seen)])


def test_refusals() -> None:
    x = tg.Value([1.0, 2.0])
    optimizer = optim.LBFGS([x])
    with pytest.raises(TypeError, match=r"LBFGS: step\(closure\) needs a function .* got NoneType"):
        optimizer.step()
    with pytest.raises(TypeError, match="got Value"):
        optimizer.step((x * x).sum())
    with pytest.raises(ValueError, match="takes one group only"):
        optim.LBFGS([{"params": [x]}, {"params": [tg.Value(1.0)]}])
    for settings, message in [
        ({"max_iter": 0}, "LBFGS: max_iter must be at least 1, got 0"),
        ({"max_eval": 0.5}, "LBFGS: max_eval must be an integer, got 0.5"),
        ({"history_size": -1}, "LBFGS: history_size must be at least 1, got -1"),
        ({"tolerance_grad": -1.0}, "LBFGS: tolerance_grad must be at least 0"),
        ({"tolerance_change": math.nan}, "LBFGS: tolerance_change must be at least 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            optim.LBFGS([x], **settings)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="the loss is nan at the start; nothing was moved"):
        searched(lambda: (x * math.nan).sum(), x)
    assert x.data.tolist() == [1.0, 2.0]
    with pytest.raises(
        TypeError, match=r"LBFGS.step\(\) calls its closure as often .* compile the"
    ):
        tg.compile(lambda: optimizer.step(lambda: (x * x).sum().backward()))()


def test_there_is_no_rate_to_schedule_and_fit_has_no_closure() -> None:
    model = nn.Sequential(nn.Linear(2, 2, rng=0))
    optimizer = optim.LBFGS(model.parameters())
    with pytest.raises(TypeError, match="StepLR: LBFGS has no learning rate to schedule"):
        optim.lr_scheduler.StepLR(optimizer, 3)
    with pytest.raises(TypeError, match=r"LBFGS: step\(closure\) needs a function"):
        tg.train.fit(
            model,
            nn.CrossEntropyLoss(),
            optimizer,
            tg.data.xor(signed=True),
            epochs=1,
            progress=False,
        )


def test_a_closure_that_forgets_zero_grad_is_found() -> None:
    x = tg.Value([1.0, 2.0])
    optimizer = optim.LBFGS([x])

    def closure() -> Any:
        loss = (x * x * [1.0, 30.0]).sum()
        loss.backward()
        return loss

    with pytest.warns(RuntimeWarning, match="zero_grad"):
        optimizer.step(closure)


def test_without_scipy_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(
        UsageError, match=r'LBFGS needs SciPy: pip install "tinygrad_lecture\[lbfgs\]"'
    ):
        optim.LBFGS([tg.Value(1.0)])


def test_the_command_line_does_not_offer_it() -> None:
    assert "lbfgs" not in tg.train.choices.OPTIMIZERS
    assert "rprop" in tg.train.choices.OPTIMIZERS
