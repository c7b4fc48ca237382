"""CrossEntropyLoss and MSELoss against hand formulas, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.nn import functional as F

LOGITS = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0], [4.0, 4.0, -4.0], [0.0, 0.0, 0.0]])
LABELS = np.array([2, 0, 1, 1])


def by_hand(logits: Any, labels: Any) -> tuple[Any, Any]:
    """Per-row losses and softmax − onehot, straight from the definition."""
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(labels)), labels]), p - np.eye(logits.shape[1])[labels]


@pytest.mark.parametrize(("reduction", "share"), [("mean", 0.25), ("sum", 1.0)])
def test_cross_entropy_value_and_gradient(reduction: Any, share: float) -> None:
    z = tg.Value(LOGITS)
    loss = nn.CrossEntropyLoss(reduction=reduction)(z, LABELS)
    loss.backward()
    losses, slopes = by_hand(LOGITS, LABELS)
    assert loss.item() == pytest.approx(share * losses.sum(), rel=1e-13)
    np.testing.assert_allclose(z.grad, share * slopes, rtol=1e-12, atol=1e-15)


def test_cross_entropy_without_reduction_gives_a_loss_per_row() -> None:
    z = tg.Value(LOGITS)
    losses = nn.CrossEntropyLoss(reduction="none")(z, LABELS)
    seed = np.array([1.0, -2.0, 0.0, 3.0])
    losses.backward(seed=seed)
    expected, slopes = by_hand(LOGITS, LABELS)
    np.testing.assert_allclose(losses.data, expected, rtol=1e-13)
    np.testing.assert_allclose(z.grad, seed[:, None] * slopes, rtol=1e-12, atol=1e-15)


def test_cross_entropy_of_huge_logits_is_finite_and_never_flat() -> None:
    z = tg.Value([[1000.0, -1000.0], [-1000.0, 1000.0]])
    loss = F.cross_entropy(z, [1, 1], "sum")
    loss.backward()
    assert loss.item() == 2000.0
    assert z.grad.tolist() == [[1.0, -1.0], [0.0, 0.0]]


def test_cross_entropy_does_not_see_a_shift_of_the_logits() -> None:
    shifted = LOGITS + np.array([[100.0], [-50.0], [3.0], [0.0]])
    assert F.cross_entropy(shifted, LABELS) == pytest.approx(F.cross_entropy(LOGITS, LABELS))


def test_cross_entropy_of_equal_logits_is_the_log_of_the_classes() -> None:
    assert F.cross_entropy(np.zeros((7, 10)), np.arange(7)) == pytest.approx(np.log(10), rel=1e-14)


@pytest.mark.parametrize("labels", [[0, 1], np.array([0, 1], np.uint8), np.array([0, 1], np.int32)])
def test_labels_may_be_lists_and_any_integers(labels: Any) -> None:
    assert F.cross_entropy([[5.0, 0.0], [0.0, 5.0]], labels) == pytest.approx(np.log1p(np.exp(-5)))


def test_cross_entropy_keeps_float32() -> None:
    z = tg.Value(LOGITS.astype(np.float32))
    losses = F.cross_entropy(z, LABELS, "none")
    losses.sum().backward()
    assert losses.dtype == np.float32
    assert z.grad.dtype == np.float32


def test_cross_entropy_at_the_wrong_start_pushes_and_squared_error_does_not() -> None:
    # L54: logit −10 against target 1: −.99995 for cross-entropy, −4.5e-5 for (σ − 1)²/2.
    z = tg.Value([[10.0, 0.0]])
    F.cross_entropy(z, [1]).backward()
    assert z.grad[0, 1] == pytest.approx(-0.9999546, abs=1e-7)
    s = tg.Value(-10.0)
    (F.mse_loss(F.sigmoid(s), 1.0) / 2).backward()
    assert s.grad == pytest.approx(-4.5e-5, rel=0.01)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"\(2,\).*\(4,\)"),
        (np.zeros((4, 1), int), r"\(4, 1\)"),
        (np.eye(4, 3), "labels"),
        ([0.0, 1.0, 2.0, 1.0], "integers"),
        ([True, False, True, True], "integers"),
        ([0, 1, 3, 2], r"0\.\.2"),
        ([0, -1, 1, 2], r"0\.\.2"),
    ],
)
def test_cross_entropy_refuses_labels_that_do_not_fit(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        F.cross_entropy(tg.Value(LOGITS), labels)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_cross_entropy_needs_a_matrix_of_logits(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(N, C\)"):
        F.cross_entropy(tg.Value(np.ones(shape)), [0] * shape[0])


@pytest.mark.parametrize(("reduction", "share"), [("mean", 1 / 6), ("sum", 1.0)])
def test_mse_value_and_gradient(reduction: Any, share: float) -> None:
    target = np.array([[1.0, 0.0, -2.0], [3.0, 0.5, 0.0]])
    prediction = tg.Value(LOGITS[:2])
    loss = nn.MSELoss(reduction=reduction)(prediction, target)
    loss.backward()
    difference = LOGITS[:2] - target
    assert loss.item() == pytest.approx(share * (difference**2).sum(), rel=1e-14)
    np.testing.assert_allclose(prediction.grad, share * 2 * difference, rtol=1e-14)


def test_mse_without_reduction_and_between_scalars() -> None:
    losses = nn.MSELoss(reduction="none")(tg.Value([1.0, 2.0]), [0.0, 4.0])
    assert losses.data.tolist() == [1.0, 4.0]
    x = tg.Value(3.0)
    nn.MSELoss()(x, 1.0).backward()
    assert x.grad == 4.0


def test_the_gradient_of_the_sum_is_2n_times_that_of_the_halved_mean() -> None:
    # L15: why a learning rate does not carry over from Σ(f−y)² to (1/N)Σ½(f−y)².
    X, y = np.arange(10.0).reshape(5, 2), np.arange(5.0)
    gradients = []
    for reduction, factor in (("sum", 1.0), ("mean", 0.5)):
        theta = tg.Value([0.3, -0.7])
        (factor * F.mse_loss(tg.matmul(X, theta), y, reduction)).backward()  # type: ignore[arg-type]
        gradients.append(theta.grad)
    np.testing.assert_allclose(gradients[0], 2 * 5 * gradients[1], rtol=1e-13)


@pytest.mark.parametrize(("a", "b"), [((4, 1), (4,)), ((4,), (4, 1)), ((3,), ()), ((2, 3), (3,))])
def test_mse_refuses_to_broadcast_and_prints_both_shapes(a: Any, b: Any) -> None:
    with pytest.raises(ValueError, match="mse_loss: prediction has shape") as caught:
        nn.MSELoss()(tg.Value(np.ones(a)), np.ones(b))
    assert f"shape {a}" in str(caught.value)
    assert f"shape {b}" in str(caught.value)


def test_the_mean_of_nothing_is_refused_and_the_sum_is_zero() -> None:
    empty, none = tg.Value(np.ones((0, 3))), np.zeros(0, int)
    with pytest.raises(ValueError, match="empty batch"):
        F.cross_entropy(empty, none)
    with pytest.raises(ValueError, match="empty batch"):
        F.mse_loss(empty, np.ones((0, 3)))
    assert F.cross_entropy(empty, none, "sum").item() == 0.0


@pytest.mark.parametrize("kind", [nn.CrossEntropyLoss, nn.MSELoss])
def test_an_unknown_reduction_is_refused_at_once(kind: Any) -> None:
    with pytest.raises(ValueError, match=f'{kind.__name__}: reduction is "mean", "sum" or "none"'):
        kind(reduction="avg")
    with pytest.raises(ValueError, match="got 'avg'"):
        F.mse_loss([1.0], [1.0], "avg")  # type: ignore[arg-type]
    assert repr(kind()) == f"{kind.__name__}(reduction='mean')"


def test_losses_of_plain_arrays_are_plain_numbers() -> None:
    assert not isinstance(F.cross_entropy(LOGITS, LABELS), tg.Value)
    assert not isinstance(F.mse_loss([1.0], [2.0]), tg.Value)
