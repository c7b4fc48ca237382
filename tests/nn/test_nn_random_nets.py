"""Random nets of all kinds of layers: compiled steps equal eager ones, hooks and buffers included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import nn

FEATURES, CLASSES = 4, 3

Maker = Callable[[Any, Any], nn.Module]
"""Makes a layer from FEATURES to FEATURES, of a dtype, with a generator."""


def plain(kind: Callable[[], nn.Module]) -> Maker:
    return lambda dtype, rng: kind()


LAYERS: dict[str, Maker] = {
    "linear": lambda dtype, rng: nn.Linear(FEATURES, FEATURES, dtype=dtype, rng=rng),
    "scaled": lambda dtype, rng: nn.ScaledLinear(FEATURES, FEATURES, 0.5, dtype=dtype, rng=rng),
    "maxout": lambda dtype, rng: nn.Maxout(FEATURES, FEATURES, 2, dtype=dtype, rng=rng),
    "norm": lambda dtype, rng: nn.BatchNorm1d(FEATURES, dtype=dtype),
    "fused norm": lambda dtype, rng: nn.BatchNorm1d(FEATURES, momentum=None, fused=True, dtype=dtype),
    "residual": lambda dtype, rng: nn.ResidualBlock(FEATURES, dtype=dtype, rng=rng),
    "pre-act": lambda dtype, rng: nn.ResidualBlock(FEATURES, None, True, False, dtype=dtype, rng=rng),
    "dropout": lambda dtype, rng: nn.Dropout(0.3, rng=rng),
    "prelu": lambda dtype, rng: nn.PReLU(FEATURES, dtype=dtype),
    "swish": lambda dtype, rng: nn.Swish(dtype=dtype),
    **{
        name.__name__: plain(name)
        for name in (nn.Tanh, nn.ReLU, nn.ELU, nn.GELU, nn.Softplus, nn.LeCunTanh, nn.Mish, nn.Hardtanh)
    },
}  # fmt: skip
LOSSES: list[Callable[[], nn.Module]] = [
    nn.CrossEntropyLoss,
    lambda: nn.CrossEntropyLoss(np.array([1.0, 2.0, 0.5]), label_smoothing=0.1),
    lambda: nn.CrossEntropyLoss(ignore_index=1),
    nn.MultiMarginLoss,
]


class Twin:
    """A net that is stepped, and all that its hooks saw."""

    def __init__(self, kinds: list[str], loss: int, dtype: Any) -> None:
        rng = np.random.default_rng(0)
        self.model = nn.Sequential(*(LAYERS[kind](dtype, rng) for kind in kinds))
        self.model.append(nn.Linear(FEATURES, CLASSES, dtype=dtype, rng=rng))
        self.loss = LOSSES[loss]()
        self.optimizer = tg.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.seen: list[Any] = []
        for module in self.model.children():
            module.register_forward_hook(lambda module, args, out: self.seen.append(out.data))
            module.register_full_backward_hook(
                lambda module, gi, go: self.seen.extend(x for x in (*gi, *go) if x is not None)
            )

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss


@settings(max_examples=25)
@given(kinds=st.lists(st.sampled_from(sorted(LAYERS)), max_size=5), loss=st.integers(0, 3),
       dtype=st.sampled_from([np.float64, np.float32]), rows=st.integers(2, 5))  # fmt: skip
def test_compiled_steps_of_random_nets_equal_eager_ones(
    kinds: list[str], loss: int, dtype: Any, rows: int
) -> None:
    eager, ours = Twin(kinds, loss, dtype), Twin(kinds, loss, dtype)
    compiled: Any = tg.compile(ours.step)
    rng = np.random.default_rng(1)
    rtol = 1e-9 if dtype is np.float64 else 5e-3
    for _ in range(3):
        x, y = rng.normal(size=(rows, FEATURES)).astype(dtype), rng.permutation(rows) % CLASSES
        compiled(x, y)
        eager.step(x, y)
    assert len(ours.seen) == len(eager.seen)
    for a, b in zip(ours.seen, eager.seen, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    state = eager.model.state_dict()
    for name, array in ours.model.state_dict().items():
        assert array.dtype == state[name].dtype, name
        np.testing.assert_allclose(array, state[name], rtol=rtol, atol=rtol, err_msg=name)
