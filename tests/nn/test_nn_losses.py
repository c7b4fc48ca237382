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


@pytest.mark.parametrize("shape", [(3,), ()])
def test_cross_entropy_needs_a_matrix_of_logits(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(N, C\)"):
        F.cross_entropy(tg.Value(np.ones(shape)), [0])


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


KINDS = [getattr(nn, name) for name in nn.__all__ if name.endswith("Loss")]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_reduction_is_refused_at_once(kind: Any) -> None:
    with pytest.raises(ValueError, match=f'{kind.__name__}: reduction is "mean", .*"none", got'):
        kind(reduction="avg")
    assert repr(kind()) == f"{kind.__name__}(reduction='mean')"


def test_an_unknown_reduction_of_a_function_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'avg'"):
        F.mse_loss([1.0], [1.0], "avg")  # type: ignore[arg-type]


def test_losses_of_plain_arrays_are_plain_numbers() -> None:
    assert not isinstance(F.cross_entropy(LOGITS, LABELS), tg.Value)
    assert not isinstance(F.mse_loss([1.0], [2.0]), tg.Value)


def test_half_the_squared_error_has_the_gradient_of_the_slide() -> None:
    # L15: (1/N) sum 1/2 (f - y)^2 against sum (f - y)^2: the gradients differ by the factor 2N
    f, y = np.arange(5.0), np.ones(5)
    half = tg.grad(lambda f: F.half_mse_loss(f, y))(f)
    whole = tg.grad(lambda f: F.mse_loss(f, y, "sum"))(f)
    np.testing.assert_allclose(half, (f - y) / 5, rtol=1e-14)
    np.testing.assert_allclose(whole, 2 * 5 * half, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_losses_of_huge_scores_are_finite_and_their_gradients_too(dtype: Any) -> None:
    z = np.array([[1e3, -1e3, 0.0], [-1e3, 1e3, 5.0]], dtype)
    labels, signs = np.array([1, 1]), np.array([[-1.0, -1, 1], [1, 1, -1]], dtype)
    losses: list[Any] = [
        lambda z: F.cross_entropy(z, labels, label_smoothing=0.1),
        lambda z: F.cross_entropy(z, labels, weight=np.array([1.0, 2.0, 3.0], dtype)),
        lambda z: F.nll_loss(F.log_softmax(z), labels),
        lambda z: F.binary_cross_entropy_with_logits(z, (1 + signs) / 2, pos_weight=2.0),
        lambda z: F.binary_cross_entropy(F.sigmoid(z), (1 + signs) / 2),
        lambda z: F.soft_margin_loss(z, signs),
        lambda z: F.hinge_loss(z, signs, squared=True),
        lambda z: F.perceptron_loss(z, signs),
        lambda z: F.multi_margin_loss(z, labels, p=2),
        lambda z: F.huber_loss(z, signs),
        lambda z: F.l1_loss(z, signs),
    ]
    for i, loss in enumerate(losses):
        v = tg.Value(z)
        out = loss(v)
        out.backward()
        assert np.isfinite(out.item()), i
        assert np.isfinite(v.grad).all(), i
        assert v.grad.dtype == dtype, i


def test_binary_cross_entropy_of_logits_is_exact_on_both_sides() -> None:
    z = np.array([-40.0, 40.0, -1e3, 1e3])
    losses = F.binary_cross_entropy_with_logits(z, np.array([0.0, 1.0, 0.0, 1.0]), "none")
    np.testing.assert_allclose(losses, [np.exp(-40), np.exp(-40), 0.0, 0.0], rtol=1e-12)
    # L54: at logit -10, target 1, its gradient is -.99995, where that of (sigma - 1)^2 is -4.5e-5 2
    slope = tg.grad(lambda z: F.binary_cross_entropy_with_logits(z, 1.0))(-10.0)
    assert slope == pytest.approx(-0.9999546, abs=1e-7)


def test_soft_margin_and_two_class_softmax_are_the_same_logistic_loss() -> None:
    f, y = np.linspace(-3, 3, 7), np.array([1.0, -1, 1, -1, 1, 1, -1])
    wanted = F.binary_cross_entropy_with_logits(f, (y + 1) / 2)
    assert F.soft_margin_loss(f, y) == pytest.approx(wanted)
    two = np.stack([np.zeros(7), f], 1)
    assert F.cross_entropy(two, (y > 0).astype(int)) == pytest.approx(wanted)


def test_the_perceptrons_rule_is_a_gradient_step() -> None:
    x, y = np.array([[1.0, 2.0], [-1.0, 0.5], [0.5, 0.5]]), np.array([1.0, 1.0, -1.0])
    w = np.array([1.0, -1.0])
    g = tg.grad(lambda w: F.perceptron_loss(tg.matmul(x, w), y, "sum"))(w)
    wrong = y * (x @ w) < 0
    np.testing.assert_array_equal(g, -(y[wrong] @ x[wrong]))


def test_kl_div_is_zero_where_the_target_is() -> None:
    terms = F.kl_div(np.log([[0.25, 0.75]]), np.array([[0.0, 1.0]]), "none")
    np.testing.assert_allclose(terms, [[0.0, -np.log(0.75)]], rtol=1e-14)
    assert nn.KLDivLoss(reduction="batchmean")(np.log([[0.5, 0.5]]), [[0.5, 0.5]]) == 0.0


def test_l2_penalty_is_what_weight_decay_adds() -> None:
    # L61: loss(lambda) = loss(0) + lambda/2 |W|^2
    layer = nn.Linear(3, 2, rng=0)
    nn.l2_penalty(layer.parameters(), 0.3).backward()
    for p in layer.parameters():
        np.testing.assert_allclose(p.grad, 0.3 * p.data, rtol=1e-14)
    assert nn.l2_penalty([np.array([3.0, 4.0])], 0.1) == pytest.approx(1.25)


def test_only_ignored_rows_have_a_mean_of_nan_and_a_sum_of_zero() -> None:
    z = np.zeros((2, 3))
    assert np.isnan(F.cross_entropy(z, [-7, -7], ignore_index=-7))
    assert F.cross_entropy(z, [-7, -7], "sum", ignore_index=-7) == 0.0


def test_weights_of_a_loss_are_buffers() -> None:
    loss = nn.CrossEntropyLoss([1.0, 2.0])
    assert list(loss.state_dict()) == ["weight"]
    assert list(nn.BCEWithLogitsLoss(pos_weight=3.0).state_dict()) == ["pos_weight"]
    assert not nn.CrossEntropyLoss().state_dict()


def test_a_compiled_loss_refuses_labels_out_of_range_like_an_eager_one() -> None:
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    f = tg.compile(lambda z, y: loss(z, y))
    z = np.zeros((2, 3))
    assert f(z, np.array([0, 2])) == pytest.approx(np.log(3))
    with pytest.raises(
        ValueError, match=r"labels must lie in 0\.\.2 for 3 classes, and 7\.\.7 came"
    ):
        f(z, np.array([0, 7]))
    bce = tg.compile(lambda p, t: F.binary_cross_entropy(p, t))
    assert bce(np.array([0.5]), np.array([1.0])) == pytest.approx(np.log(2))
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\]"):
        bce(np.array([1.5]), np.array([1.0]))


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_losses_take_integer_targets_as_eager_ones_do(kind: Any) -> None:
    name = kind.__name__
    classes = name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")
    signed = name in ("HingeLoss", "PerceptronLoss", "SoftMarginLoss")
    z = np.random.default_rng(0).uniform(0.1, 0.9, (4, 3)).astype(np.float32)
    loss = kind()
    f = tg.compile(tg.value_and_grad(lambda z, y: loss(z, y)))
    for target in (np.array([0, 1, 1, 0]), np.array([1, 1, 0, 0])):
        y = target if classes else np.stack([2 * target - 1 if signed else target] * 3, 1)
        value, gradient = f(z, y)
        want, wanted = tg.value_and_grad(lambda z, y=y: loss(z, y))(z)
        assert value == pytest.approx(want, rel=1e-5)
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6)
        assert gradient.dtype == wanted.dtype == np.float32
    assert f.eager_calls == 0


Z, Y = np.zeros((2, 3)), [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.cross_entropy(Z, Y, weight=np.ones(2)), r"weight must have shape \(3,\), .* got \(2,\)"),
        (lambda: F.cross_entropy(Z, Y, label_smoothing=1.5), r"label_smoothing must lie in \[0, 1\], got 1\.5"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=-0.1), r"CrossEntropyLoss: label_smoothing must lie"),
        (lambda: F.cross_entropy(Z, Z), "a float target holds distributions"),
        (lambda: F.cross_entropy(Z, Z + 1 / 3, ignore_index=0), "ignore_index goes with integer labels"),
        (lambda: F.cross_entropy(Z[0], Y, label_smoothing=0.1), r"logits must have shape \(N, C, ...\), got \(3,\)"),
        (lambda: F.cross_entropy(Z, [0, 5], ignore_index=-1), r"labels must lie in 0\.\.2 .* and 5\.\.5 came$"),
        (lambda: F.nll_loss(Z, [0, 5]), "ignore_index=... leaves labels out"),
        (lambda: F.nll_loss(Z, [0.0, 1.0]), r"nll_loss: labels must be integers \(class indices\), not float64"),
        (lambda: F.nll_loss(Z, [0]), r"for scores \(2, 3\) labels must have shape \(2,\), got \(1,\)"),
        (lambda: F.nll_loss(Z[0], [0]), r"log_probabilities must have shape"),
        (lambda: F.multi_margin_loss(Z, Y, p=3), "p is 1 or 2, got 3"),
        (lambda: F.multi_margin_loss(Z[0], Y), r"scores must have shape \(N, C\), got \(3,\)"),
        (lambda: F.huber_loss(Z, Z, delta=0.0), r"huber_loss: delta must be positive and finite, got 0\.0"),
        (lambda: F.smooth_l1_loss(Z, Z, beta=-1.0), r"smooth_l1_loss: beta must be positive"),
        (lambda: F.hinge_loss(Z, Z), "hinge_loss: targets must be -1 or 1; for targets 0 and 1 pass 2"),
        (lambda: F.perceptron_loss(Z, Z), "perceptron_loss: targets must be -1 or 1"),
        (lambda: F.soft_margin_loss(Z, Z), "soft_margin_loss: targets must be -1 or 1"),
        (lambda: F.binary_cross_entropy(Z - 1, Z), r"predictions must be probabilities in \[0, 1\]"),
        (lambda: F.kl_div(np.zeros((0, 2)), np.zeros((0, 2)), "batchmean"), 'reduction="batchmean" needs rows'),
        (lambda: F.l2_penalty([Z], -1.0), r"weight_decay must be at least 0, got -1\.0"),
        (lambda: F.l2_penalty([], 1.0), "no parameters came"),
        *(
            (lambda f=f: f(np.zeros((4, 1)), np.ones(4)), r"prediction has shape \(4, 1\), target has shape \(4,\)")
            for f in (
                F.l1_loss, F.half_mse_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy,
                F.binary_cross_entropy_with_logits, F.hinge_loss, F.perceptron_loss,
                F.soft_margin_loss, F.kl_div,
            )
        ),
    ],
)  # fmt: skip
def test_losses_refuse_what_does_not_fit(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
