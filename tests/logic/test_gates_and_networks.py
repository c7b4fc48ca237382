"""Gates, networks of threshold neurons, and the sigmoid networks they turn into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import logic, nn
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.logic import ThresholdNet, ThresholdNeuron, vertices

GATES: dict[Callable[..., ThresholdNet], Callable[[Any], Any]] = {
    logic.AND: lambda X: X.all(axis=1),
    logic.OR: lambda X: X.any(axis=1),
    logic.NAND: lambda X: ~X.all(axis=1),
    logic.NOR: lambda X: ~X.any(axis=1),
    logic.XOR: lambda X: X.sum(axis=1) % 2 == 1,
}


def sigmoid(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("gate", GATES, ids=lambda g: g.__name__)
def test_gates_are_exact_on_all_rows(gate: Callable[..., ThresholdNet], n: int) -> None:
    X = vertices(n)
    np.testing.assert_array_equal(gate(n)(X), GATES[gate](X.astype(bool)))
    assert gate(n).function().table.tolist() == GATES[gate](X.astype(bool)).tolist()


def test_not_and_the_biases_of_the_lecture() -> None:
    assert logic.NOT()([[0], [1]]).tolist() == [1, 0]
    assert (logic.NOT().w.tolist(), logic.NOT().b) == ([-1.0], 0.5)
    for n in range(1, 9):
        assert (logic.OR(n).b, logic.AND(n).b) == (-0.5, 0.5 - n)
    with pytest.raises(UsageError, match="n must be at least 1, got 0"):
        logic.AND(0)


@pytest.mark.parametrize("gain", [1.0, 20.0, 50.0])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("gate", [logic.AND, logic.OR, logic.NAND, logic.NOR])
def test_a_sigmoid_gate_is_within_the_bound_of_its_margin(
    gate: Callable[..., ThresholdNeuron], n: int, gain: float
) -> None:
    X = vertices(n)
    error = np.abs(gate(n).as_sigmoid(gain)(X).data[:, 0] - gate(n)(X))
    bound = sigmoid(-gain / 2)
    assert error.max() <= bound + 1e-16  # 1 − σ is only known to the last bit of 1
    assert error.max() == pytest.approx(
        bound, abs=1e-15
    )  # reached by the rows beside the hyperplane


@given(
    st.lists(st.floats(-3, 3), min_size=1, max_size=5),
    st.floats(-3, 3),
    st.integers(0, 2**32 - 1),
)
def test_a_sigmoid_neuron_is_at_least_a_half_where_the_hard_one_is_1(
    w: list[float], b: float, seed: int
) -> None:
    neuron = ThresholdNeuron(w, b)
    X = np.random.default_rng(seed).normal(size=(20, len(w)))
    far = np.abs(neuron.activation(X)) > 1e-9
    soft = neuron.as_sigmoid(1.0)(X).data[:, 0]
    np.testing.assert_array_equal((soft >= 0.5)[far], neuron(X)[far] == 1)


def test_the_threshold_itself_counts_as_1() -> None:
    assert ThresholdNeuron([1.0], 0.0)([0.0]) == 1


def test_xor_net_has_the_weights_of_the_lecture() -> None:
    net = logic.xor_net()
    assert (net.n_units, net.depth, net.n_connections) == (3, 2, 6)
    hidden, output = net.layers
    assert (hidden.weight.tolist(), hidden.bias.tolist()) == ([[1, 1], [1, 1]], [-0.5, -1.5])
    assert (output.weight.tolist(), output.bias.tolist()) == ([[1, -1]], [-0.5])
    X, y = tg.data.xor()
    np.testing.assert_array_equal(net(X), y)
    np.testing.assert_array_equal(net.values(X)[:, 2:4], logic.phi_or_and(X))


def test_modules_are_trained_checked_and_compiled_like_any_other() -> None:
    model = logic.xor_net().to_module(gain=4.0)
    X, y = tg.data.xor()
    target = y[:, None].astype(float)
    criterion = nn.MSELoss()
    report = tg.gradcheck(lambda x: criterion(model(x), target), X)
    assert report.verdict == "pass"
    optimizer = tg.optim.Adam(model.parameters(), lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(X), target)
        loss.backward()
        optimizer.step()
        return loss

    compiled: Any = tg.compile(step)
    losses = [compiled().item() for _ in range(100)]
    assert losses[-1] < losses[0] / 10
    np.testing.assert_array_equal(model(X).data[:, 0] >= 0.5, y == 1)


def test_nets_that_skip_layers_become_modules_too() -> None:
    net = logic.parity_tree(5)
    module = net.to_module(gain=30.0)
    X = vertices(5)
    np.testing.assert_allclose(module(X).data[:, 0], net(X), atol=1e-4)
    shapes = [p.shape for p in module.parameters()]
    assert shapes[:2] == [(4, 4), (4,)]
    compiled: Any = tg.compile(lambda x: module(x))
    np.testing.assert_allclose(compiled(X).data, module(X).data, rtol=1e-12)
    np.testing.assert_allclose(compiled(X[3:9]).data, module(X[3:9]).data, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ThresholdNet(0), "n_inputs must be at least 1, got 0"),
        (lambda: ThresholdNet(2).add([[1.0]], [0.0]), r"shape \(neurons, 2\) .* got \(1, 1\)"),
        (lambda: ThresholdNet(2).add([[1.0, 1.0]], 0.0), r"bias \(neurons,\)"),
        (lambda: ThresholdNet(2).add(np.ones((0, 2)), []), r"bias \(neurons,\)"),
        (lambda: ThresholdNet(2).add([[1.0]], [0.0], inputs=[2]), "numbers of the 2 values"),
        (lambda: ThresholdNet(2).add([[1.0]], [0.0], inputs=[-1]), "numbers of the 2 values"),
        (lambda: logic.AND(2)([[1, 1, 1]]), r"X must have shape \(..., 2\), got \(1, 3\)"),
        (lambda: logic.AND(2).to_module(0.0), "gain must be positive, got 0"),
        (lambda: ThresholdNeuron([], 0.0), r"w must have shape \(n,\)"),
        (lambda: ThresholdNeuron([[1.0]], 0.0), r"w must have shape \(n,\)"),
    ],
)
def test_bad_nets_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()
