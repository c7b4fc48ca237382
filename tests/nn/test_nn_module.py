"""Module: parts found by attribute, names, state, modes, messages."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn


class Norm(nn.Module):
    """A module with a parameter, a buffer and a child."""

    mean: Any

    def __init__(self) -> None:
        self.scale = nn.Parameter(2.0)
        self.register_buffer("mean", [1.0, 2.0])
        self.inner = nn.Linear(2, 2, rng=0)

    def forward(self, x: Any) -> Any:
        return self.scale * self.inner(x - self.mean)


def test_parameters_buffers_and_modules_come_in_order_of_definition_with_their_paths() -> None:
    model = nn.Sequential(Norm(), nn.ReLU())

    assert [name for name, _ in model.named_parameters()] == [
        "0.scale",
        "0.inner.weight",
        "0.inner.bias",
    ]
    assert [name for name, _ in model.named_buffers()] == ["0.mean"]
    assert [name for name, _ in model.named_modules()] == ["", "0", "0.inner", "1"]
    assert [type(m).__name__ for m in model.children()] == ["Norm", "ReLU"]
    assert len(list(model.parameters())) == 3
    assert [b.tolist() for b in model.buffers()] == [[1.0, 2.0]]
    assert model.num_parameters() == 1 + 4 + 2


def test_a_parameter_takes_the_path_of_its_attribute_as_name() -> None:
    layer = nn.Linear(2, 3, rng=0)
    assert layer.weight.name == "weight"
    model = nn.Sequential(nn.Sequential(layer))
    assert layer.weight.name == "0.0.weight"
    assert [p.name for p in model.parameters()] == [name for name, _ in model.named_parameters()]


def test_a_name_that_was_given_stays() -> None:
    layer = nn.Linear(2, 3, rng=0)
    layer.weight = nn.Parameter(np.ones((3, 2)), name="my weight")
    nn.Sequential(layer)
    assert layer.weight.name == "my weight"


def test_parameter_is_a_value_without_attributes_of_its_own() -> None:
    p = nn.Parameter([1, 2])
    assert isinstance(p, tg.Value)
    assert p.dtype == np.float64
    assert not hasattr(p, "__dict__")
    assert type(p * 2) is tg.Value


def test_a_shared_module_counts_once() -> None:
    layer = nn.Linear(2, 2, rng=0)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert model.num_parameters() == 6
    assert len(list(model.state_dict())) == 2
    x = np.array([[0.3, -0.2]])
    np.testing.assert_array_equal(model(x).data, layer(nn.Tanh()(layer(x))).data)


def test_a_misspelt_attribute_raises_with_its_own_name() -> None:
    with pytest.raises(AttributeError, match="wieght"):
        nn.Linear(2, 2, rng=0).wieght  # type: ignore[attr-defined]  # noqa: B018 - it is to raise


class Broken(nn.Module):
    """Its forward reads an attribute that is not there."""

    def forward(self, x: Any) -> Any:
        return self.wieght * x  # type: ignore[attr-defined]


def test_an_attribute_missing_in_forward_is_named() -> None:
    with pytest.raises(AttributeError, match="wieght"):
        Broken()(1.0)


@pytest.mark.parametrize("container", [list, tuple, lambda parts: dict(enumerate(parts))])
def test_parts_in_a_plain_container_are_refused_not_lost(container: Any) -> None:
    model = nn.Module()
    model.layers = container([nn.ReLU(), nn.Linear(1, 1, rng=0)])
    with pytest.raises(TypeError, match=r"Module\.layers is a plain .* use nn\.ModuleList"):
        list(model.parameters())
    model.layers = container([1, 2])
    assert list(model.parameters()) == []


def test_a_parameter_can_be_replaced_and_removed() -> None:
    layer = nn.Linear(2, 1, rng=0)
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer([[1.0, 1.0]]).data == pytest.approx(layer.weight.data.sum())
    del layer.weight
    assert list(layer.parameters()) == []


def test_train_and_eval_reach_all_modules() -> None:
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    assert all(m.training for m in model.modules())
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())


def test_zero_grad_forgets_all_gradients() -> None:
    model = nn.Linear(2, 1, rng=0)
    model([[1.0, 2.0]]).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_forgetting_zero_grad_doubles_the_gradients() -> None:
    model = nn.Linear(3, 2, rng=0)
    x = np.arange(6.0).reshape(2, 3)
    once = []
    for _ in range(2):
        (model(x) ** 2).mean().backward()
        once.append([p.grad.copy() for p in model.parameters()])
    for first, second in zip(*once, strict=True):
        np.testing.assert_array_equal(second, 2 * first)


def test_state_dict_round_trip_is_bit_identical_and_independent() -> None:
    model, twin = Norm(), Norm()
    model.scale.data = 1 / 3
    model.inner.weight.data = np.random.default_rng(5).normal(size=(2, 2))
    model.mean = [0.1, 0.2]
    state = model.state_dict()
    assert list(state) == ["scale", "inner.weight", "inner.bias", "mean"]
    result = twin.load_state_dict(state)
    assert result == ([], [])
    for name, array in twin.state_dict().items():
        assert array.dtype == np.float64
        assert array.tobytes() == state[name].tobytes()
    state["inner.weight"][:] = 0.0
    state["mean"][:] = 0.0
    assert model.inner.weight.data.any()
    assert twin.inner.weight.data.any()
    assert twin.mean.any()


def test_load_state_dict_names_all_that_is_wrong_in_one_line_and_changes_nothing() -> None:
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Linear(3, 1, rng=0))
    before = model.state_dict()
    state = model.state_dict()
    del state["0.bias"]
    state["0.weight"] = np.ones((3, 4))
    state["1.bias"] = np.ones(1, dtype=complex)
    state["fc.weight"] = np.ones(1)
    with pytest.raises(ValueError, match="state does not fit Sequential") as caught:
        model.load_state_dict(state)
    text = str(caught.value)
    assert "\n" not in text
    for part in [
        "missing 0.bias",
        "unexpected fc.weight",
        "0.weight has shape (3, 4), the model needs (3, 2)",
        "1.bias is complex128, the model needs float64",
    ]:
        assert part in text
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_load_state_dict_not_strict_takes_what_is_common_and_tells_the_rest() -> None:
    model = nn.Linear(2, 1, rng=0)
    result = model.load_state_dict({"weight": [[5.0, 6.0]], "other": 1.0}, strict=False)
    assert result.missing_keys == ["bias"]
    assert result.unexpected_keys == ["other"]
    assert model.weight.data.tolist() == [[5.0, 6.0]]


def test_loading_keeps_the_dtype_and_the_parameter_objects() -> None:
    model = nn.Linear(2, 1, rng=0, dtype=np.float32)
    weight = model.weight
    model.load_state_dict({"weight": np.array([[0.1, 2.0]]), "bias": np.zeros(1)})
    assert model.weight is weight
    assert weight.dtype == np.float32


def test_buffers_are_not_trained_and_stay_arrays() -> None:
    model = Norm()
    model.mean = [3.0, 4.0]
    assert isinstance(model.mean, np.ndarray)
    assert "mean" not in dict(model.named_parameters())


@pytest.mark.parametrize("name", ["", "a.b"])
def test_a_buffer_needs_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="non-empty without a dot"):
        nn.Module().register_buffer(name, 1.0)


def test_a_buffer_does_not_take_the_place_of_something_else() -> None:
    with pytest.raises(ValueError, match="Norm already has attribute 'scale'"):
        Norm().register_buffer("scale", 1.0)
    with pytest.raises(ValueError, match="already has attribute 'forward'"):
        Norm().register_buffer("forward", 1.0)


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(TypeError, match=r"ModuleList defines no forward\(\)"):
        nn.ModuleList()(1.0)


def test_deepcopy_gives_an_independent_model() -> None:
    model = Norm()
    twin = copy.deepcopy(model)
    twin.inner.weight.data = np.zeros((2, 2))
    twin.mean[:] = 0.0
    assert model.inner.weight.data.any()
    assert model.mean.any()
    assert [name for name, _ in twin.named_parameters()] == [
        name for name, _ in model.named_parameters()
    ]


def test_repr_shows_the_tree() -> None:
    model = nn.Sequential(nn.Linear(2, 3, bias=False, rng=0), nn.Sequential(nn.ReLU()))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=False)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )


def test_a_deep_chain_of_modules_does_not_recurse() -> None:
    model: nn.Module = nn.Linear(1, 1, rng=0)
    for _ in range(2000):
        outer = nn.Module()
        object.__setattr__(outer, "inner", model)
        model = outer
    assert model.num_parameters() == 2
