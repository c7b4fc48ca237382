"""Sequential and ModuleList."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn


def test_sequential_applies_its_modules_in_turn() -> None:
    a, b = nn.Linear(3, 4, False, rng=0), nn.Linear(4, 2, False, rng=1)
    x = np.arange(6.0).reshape(2, 3)
    out = nn.Sequential(a, nn.Tanh(), b)(x)
    expected = np.tanh(x @ a.weight.data.T) @ b.weight.data.T
    np.testing.assert_allclose(out.data, expected, rtol=1e-14)


def test_an_empty_sequential_is_the_identity() -> None:
    x = np.ones(3)
    assert nn.Sequential()(x) is x


def test_indexing_slicing_length_iteration_and_append() -> None:
    parts = [nn.Linear(2, 2, rng=i) for i in range(3)]
    model = nn.Sequential(*parts)
    assert len(model) == 3
    assert list(model) == parts
    assert model[0] is parts[0]
    assert model[-1] is parts[2]
    head = model[:2]
    assert isinstance(head, nn.Sequential)
    assert list(head) == parts[:2]
    assert model.append(nn.ReLU()) is model
    assert len(model) == 4


@pytest.mark.parametrize("index", [2, -3])
def test_an_index_out_of_range_is_told(index: int) -> None:
    with pytest.raises(IndexError, match=f"has 2 modules, there is no number {index}"):
        nn.Sequential(nn.ReLU(), nn.ReLU())[index]


def test_only_modules_are_taken() -> None:
    wrong: Any = np.tanh
    with pytest.raises(TypeError, match="Sequential holds modules, got ufunc at position 1"):
        nn.Sequential(nn.ReLU(), wrong)
    with pytest.raises(TypeError, match="ModuleList holds modules, got int at position 0"):
        nn.ModuleList([wrong.nin])


def test_modules_are_replaced_in_place_and_added_in_numbers() -> None:
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU(), nn.Linear(3, 1, rng=1))
    last = nn.Linear(3, 5, rng=2)
    model[-1] = last
    model[1] = nn.Tanh()
    assert model([[0.0, 0.0]]).shape == (1, 5)
    assert [type(m).__name__ for m in model] == ["Linear", "Tanh", "Linear"]
    assert last.weight.name == "2.weight"
    assert len(model.extend([nn.ReLU(), nn.ReLU()])) == 5
    with pytest.raises(IndexError, match="has 5 modules, there is no number 5"):
        model[5] = nn.ReLU()
    wrong: Any = 3
    with pytest.raises(TypeError, match="Sequential holds modules, got int at position 0"):
        model[0] = wrong


def test_the_parameters_of_a_module_list_are_found() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.layers = nn.ModuleList(nn.Linear(2, 2, rng=i) for i in range(3))

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    model = Model()
    assert model.num_parameters() == 18
    assert [p.name for p in model.parameters()][:2] == ["layers.0.weight", "layers.0.bias"]
    model(np.ones((1, 2))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_compiled_function_notices_that_parts_were_replaced() -> None:
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh())
    f = tg.compile(lambda x: net(x))
    x = np.array([[1.0, -2.0]])
    changes: list[Any] = [
        lambda: None,
        lambda: net.__setitem__(1, nn.ReLU()),
        lambda: net.append(nn.Softplus()),
        lambda: setattr(net[0], "weight", nn.Parameter(np.eye(2))),
        lambda: setattr(net[0], "bias", None),
        lambda: net.__delattr__("2"),
    ]
    for change in changes:
        change()
        for _ in range(2):
            np.testing.assert_allclose(f(x).data, net(x).data, rtol=1e-12)
    assert len(f.programs) == len(changes)
