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
