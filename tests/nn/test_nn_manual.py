"""nn.manual: backpropagation by hand equals the tape, and the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.nn import manual

LABELS = np.array([0, 3, 2, 2, 1])


@pytest.mark.parametrize(
    "kind", [(manual.Tanh, nn.Tanh), (manual.Sigmoid, nn.Sigmoid), (manual.ReLU, nn.ReLU)]
)
def test_a_net_of_three_layers_by_hand_and_on_the_tape(kind: tuple[Any, Any]) -> None:
    rng = np.random.default_rng(0)
    by_hand = [manual.Linear(6, 5, rng=rng), kind[0](), manual.Linear(5, 7, rng=rng), kind[0]()]
    by_hand.append(manual.Linear(7, 4, rng=rng))
    for layer in by_hand[::2]:
        layer.bias[:] = rng.normal(size=layer.bias.shape)
    on_tape = nn.Sequential(
        nn.Linear(6, 5, rng=0), kind[1](), nn.Linear(5, 7, rng=0), kind[1](), nn.Linear(7, 4, rng=0)
    )
    for i in (0, 2, 4):
        on_tape[i].load_state_dict({"weight": by_hand[i].weight, "bias": by_hand[i].bias})

    x = rng.normal(size=(5, 6))
    h, ce = x, manual.SoftmaxCE()
    for layer in by_hand:
        h = layer.forward(h)
    loss = ce.forward(h, LABELS)
    g = ce.backward()
    for layer in reversed(by_hand):
        g = layer.backward(g)

    tracked = tg.Value(x)
    tape_loss = nn.CrossEntropyLoss()(on_tape(tracked), LABELS)
    tape_loss.backward()
    assert loss == pytest.approx(tape_loss.item(), rel=1e-12)
    np.testing.assert_allclose(g, tracked.grad, rtol=1e-12, atol=1e-14)
    for i in (0, 2, 4):
        for name, parameter in on_tape[i].named_parameters():
            np.testing.assert_allclose(
                by_hand[i].grads[name], parameter.grad, rtol=1e-12, atol=1e-14
            )


def test_linear_start_values_and_shapes() -> None:
    layer = manual.Linear(300, 200, rng=0)
    assert layer.weight.shape == (200, 300)
    assert np.abs(layer.weight).max() <= np.sqrt(3 / 300)
    assert layer.weight.std() == pytest.approx(1 / np.sqrt(300), rel=0.02)
    assert not layer.bias.any()
    assert layer.forward(np.zeros((4, 300))).shape == (4, 200)


def test_gradients_of_a_second_backward_replace_those_of_the_first() -> None:
    layer = manual.Linear(2, 1, rng=0)
    layer.forward(np.array([[1.0, 2.0]]))
    for _ in range(2):
        layer.backward(np.array([[1.0]]))
    assert layer.grads["weight"].tolist() == [[1.0, 2.0]]
    assert layer.grads["bias"].tolist() == [1.0]


def test_activations_are_stable_and_relu_has_slope_0_at_0() -> None:
    x = np.array([-1000.0, 0.0, 1000.0])
    sigmoid, relu = manual.Sigmoid(), manual.ReLU()
    assert sigmoid.forward(x).tolist() == [0.0, 0.5, 1.0]
    assert sigmoid.backward(np.ones(3)).tolist() == [0.0, 0.25, 0.0]
    assert relu.forward(x).tolist() == [0.0, 0.0, 1000.0]
    assert relu.backward(np.ones(3)).tolist() == [0.0, 0.0, 1.0]


def test_softmax_ce_scales_by_the_incoming_gradient_and_is_stable() -> None:
    ce = manual.SoftmaxCE()
    assert ce.forward(np.array([[1000.0, -1000.0]]), [1]) == 2000.0
    assert ce.backward().tolist() == [[1.0, -1.0]]
    assert ce.backward(0.5).tolist() == [[0.5, -0.5]]


@pytest.mark.parametrize("labels", [[0], [0.0, 1.0], [[0], [1]]])
def test_softmax_ce_refuses_labels_that_do_not_fit(labels: Any) -> None:
    with pytest.raises(ValueError, match=r"need integer labels of shape \(2,\)"):
        manual.SoftmaxCE().forward(np.zeros((2, 3)), labels)


ROWS, IMAGES = (5, 6), (2, 3, 5, 4)

PAIRS: list[tuple[Any, Any, tuple[int, ...]]] = [
    (manual.Tanh(), nn.Tanh(), ROWS),
    (manual.Sigmoid(), nn.Sigmoid(), ROWS),
    (manual.ReLU(), nn.ReLU(), ROWS),
    (manual.LeakyReLU(0.2), nn.LeakyReLU(0.2), ROWS),
    (manual.ELU(0.7), nn.ELU(0.7), ROWS),
    (manual.SELU(), nn.SELU(), ROWS),
    (manual.GELU(), nn.GELU(), ROWS),
    (manual.Softplus(), nn.Softplus(), ROWS),
    (manual.SiLU(), nn.SiLU(), ROWS),
    (manual.Swish(1.7), nn.Swish(), ROWS),
    (manual.PReLU(0.3), nn.PReLU(), ROWS),
    (manual.Softsign(), nn.Softsign(), ROWS),
    (manual.Hardtanh(-0.5, 0.9), nn.Hardtanh(-0.5, 0.9), ROWS),
    (manual.LeCunTanh(0.1), nn.LeCunTanh(0.1), ROWS),
    (manual.Softmax(), nn.Softmax(), ROWS),
    (manual.LogSoftmax(), nn.LogSoftmax(), ROWS),
    (manual.Linear(6, 4, rng=0), nn.Linear(6, 4), ROWS),
    (manual.ScaledLinear(6, 4, 0.1, rng=0), nn.ScaledLinear(6, 4, 0.1), ROWS),
    (manual.Maxout(6, 2, 3, rng=0), nn.Maxout(6, 2, 3), ROWS),
    (manual.BatchNorm1d(6, 0.01), nn.BatchNorm1d(6, 0.01, track_running_stats=False), ROWS),
    (manual.BatchNorm1d(6), nn.BatchNorm1d(6, track_running_stats=False, fused=True), ROWS),
    (manual.Dropout(0.4, rng=3), nn.Dropout(0.4, rng=3), ROWS),
    (manual.Flatten(), nn.Flatten(), IMAGES),
    (manual.Conv2d(3, 2, 3, rng=0), nn.Conv2d(3, 2, 3), IMAGES),
    (manual.Conv2d(3, 4, 2, padding=1, rng=0), nn.Conv2d(3, 4, 2, padding=1), IMAGES),
    (manual.MaxPool2d(2), nn.MaxPool2d(2), IMAGES),
    (manual.MaxPool2d(3), nn.MaxPool2d(3), IMAGES),
]  # fmt: skip


def test_every_module_by_hand_is_compared_with_the_tape() -> None:
    apart = {"ResidualBlock", "Sequential", "SoftmaxCE", "HalfMSE", "BCEWithLogits", "Hinge"}
    assert {type(pair[0]).__name__ for pair in PAIRS} == set(manual.__all__) - apart


@pytest.mark.parametrize(("by_hand", "on_tape", "shape"), PAIRS, ids=lambda x: type(x).__name__)
def test_a_module_by_hand_is_the_one_on_the_tape(by_hand: Any, on_tape: Any, shape: Any) -> None:
    rng = np.random.default_rng(1)
    x = 2 * rng.normal(size=shape)
    names = [name for name, _ in on_tape.named_parameters()]
    for name in names:
        array = getattr(by_hand, name)
        array += 0.1 * rng.normal(size=array.shape)
    on_tape.load_state_dict({name: getattr(by_hand, name) for name in names})
    for _ in range(2):  # nothing accumulates, and nothing is kept from an earlier call
        v = tg.Value(x)
        on_tape.zero_grad()
        want = on_tape(v)
        seed = rng.normal(size=want.shape)
        want.backward(seed=seed)
        np.testing.assert_allclose(by_hand.forward(x), want.data, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(by_hand.backward(seed), v.grad, rtol=1e-11, atol=1e-13)
        assert list(getattr(by_hand, "grads", {})) == names
        for name, parameter in on_tape.named_parameters():
            np.testing.assert_allclose(
                by_hand.grads[name], parameter.grad, rtol=1e-11, atol=1e-13, err_msg=name
            )
        x = x[::-1].copy()


@pytest.mark.parametrize(
    ("by_hand", "shape"),
    [(pair[0], pair[2]) for pair in PAIRS if not isinstance(pair[0], manual.Dropout)],
    ids=lambda x: type(x).__name__,
)
def test_a_module_by_hand_passes_gradcheck(by_hand: Any, shape: Any) -> None:
    report = tg.gradcheck(by_hand, np.random.default_rng(2).normal(size=shape))
    assert report.verdict.value == "pass", report


@pytest.mark.parametrize(
    ("by_hand", "on_tape", "kind"),
    [
        (manual.HalfMSE(), nn.HalfMSELoss(), "normal"),
        (manual.BCEWithLogits(), nn.BCEWithLogitsLoss(), "unit"),
        (manual.Hinge(), nn.HingeLoss(), "signs"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_loss_by_hand_is_the_one_on_the_tape(by_hand: Any, on_tape: Any, kind: str) -> None:
    rng = np.random.default_rng(0)
    x = 2 * rng.normal(size=ROWS)
    target = {
        "normal": rng.normal(size=ROWS),
        "unit": rng.uniform(size=ROWS),
        "signs": rng.choice([-1.0, 1.0], ROWS),
    }[kind]
    v = tg.Value(x)
    loss = on_tape(v, target)
    loss.backward()
    assert by_hand.forward(x, target) == pytest.approx(loss.item(), rel=1e-13)
    np.testing.assert_allclose(by_hand.backward(), v.grad, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(by_hand.backward(3.0), 3 * v.grad, rtol=1e-12, atol=1e-15)
    with pytest.raises(ValueError, match=r"prediction has shape \(5, 6\), target has shape \(6,\)"):
        by_hand.forward(x, target[0])


def test_a_convolutional_residual_net_by_hand_and_on_the_tape() -> None:
    rng = np.random.default_rng(0)
    hand = manual.Sequential(
        manual.Conv2d(3, 2, 2, rng=rng), manual.ReLU(), manual.MaxPool2d(2), manual.Flatten(),
        manual.ResidualBlock(manual.Linear(4, 4, rng=rng), manual.Tanh(), manual.Linear(4, 4, rng=rng)),
        manual.Linear(4, 4, rng=rng),
    )  # fmt: skip

    class Residual(nn.Module):
        def __init__(self) -> None:
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return x + self.second(tg.tanh(self.first(x)))

    tape = nn.Sequential(
        nn.Conv2d(3, 2, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), Residual(), nn.Linear(4, 4)
    )
    block: Any = hand.modules[4]
    layers: list[Any] = [hand.modules[0], block.modules[0], block.modules[2], hand.modules[5]]
    state = [array for layer in layers for array in (layer.weight, layer.bias)]
    tape.load_state_dict(dict(zip(tape.state_dict(), state, strict=True)))
    x = rng.normal(size=IMAGES)
    v = tg.Value(x)
    labels, ce = np.array([3, 1]), manual.SoftmaxCE()
    loss = nn.CrossEntropyLoss()(tape(v), labels)
    loss.backward()
    assert ce.forward(hand.forward(x), labels) == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(hand.backward(ce.backward()), v.grad, rtol=1e-11, atol=1e-14)
    grads = [g for layer in layers for g in (layer.grads["weight"], layer.grads["bias"])]
    for g, p in zip(grads, tape.parameters(), strict=True):
        np.testing.assert_allclose(g, p.grad, rtol=1e-11, atol=1e-14)
