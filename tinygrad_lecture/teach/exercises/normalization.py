"""The exercise about batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine import mean, sqrt
from ..exercise import Bench, Exercise, Layer, single
from ..judge import Mistake, Pair, judge
from ..reference import Case
from ..report import Item
from ..student import NotDone

Rng = np.random.Generator
M = Mistake

EPS = 0.01  # large enough to see where it stands


def _batch_norm(inputs: dict[str, Any], params: dict[str, Any]) -> Any:
    centered = inputs["x"] - mean(inputs["x"], axis=0)
    scaled = centered / sqrt(mean(centered * centered, axis=0) + EPS)
    return params["gamma"] * scaled + params["beta"]


def _batch_norm_case(rng: Rng, n: int, features: int) -> Case:
    return Case(
        {"x": rng.normal(1.0, 2.0, (n, features))},
        {"gamma": rng.uniform(0.5, 2.0, features), "beta": rng.normal(size=features)},
        rng.normal(size=(n, features)),
    )  # fmt: skip


def _batch_norm_cases(rng: Rng) -> list[Case]:
    return [_batch_norm_case(rng, *shape) for shape in ((6, 3), (5, 5), (4, 2))]


def _normal(c: Case, *, ddof: int = 0, axis: int = 0, scale: Any = None) -> Any:
    x = c.inputs["x"]
    m, v = x.mean(axis=axis, keepdims=True), x.var(axis=axis, ddof=ddof, keepdims=True)
    return (x - m) / (np.sqrt(v + EPS) if scale is None else scale(v))


def _affine(c: Case, hat: Any) -> Any:
    return c.params["gamma"] * hat + c.params["beta"]


def _to_x(c: Case, *, gamma: bool = True, by_mean: bool = True, by_var: bool = True) -> Any:
    """The gradient of x, with its ways by the mean and by the variance."""
    hat, std = _normal(c), np.sqrt(c.inputs["x"].var(axis=0) + EPS)
    d = c.grad_output * (c.params["gamma"] if gamma else 1.0)
    way = d - (d.mean(axis=0) if by_mean else 0.0) - (hat * (d * hat).mean(axis=0) if by_var else 0)
    return way / std


BATCH_NORM = Layer(
    _batch_norm,
    lambda cls, params: cls(params["gamma"], params["beta"], eps=EPS, momentum=0.1),
    _batch_norm_cases,
    {"forward": 2.5, "x": 3.0, "gamma": 1.0, "beta": 0.5},
    {
        "forward": [
            M("the unbiased variance (1/(N−1)) is used; batch normalization divides by the biased "
              "one (1/N)", lambda c: _affine(c, _normal(c, ddof=1))),
            M("ε stands outside of the root: √(σ² + ε), and not σ + ε",
              lambda c: _affine(c, _normal(c, scale=lambda v: np.sqrt(v) + EPS))),
            M("ε is missing under the root: √(σ² + ε)",
              lambda c: _affine(c, _normal(c, scale=np.sqrt))),
            M("the root is missing: divided by the variance",
              lambda c: _affine(c, _normal(c, scale=lambda v: v + EPS))),
            M("statistics of each row (axis 1, layer normalization); those of each feature over "
              "the batch (axis 0) are needed", lambda c: _affine(c, _normal(c, axis=1))),
            M("gamma and beta are missing: y = γ x̂ + β", lambda c: _normal(c)),
            M("beta is missing: y = γ x̂ + β", lambda c: c.params["gamma"] * _normal(c)),
        ],
        "x": [
            M("mean and variance are taken for constants, and depend on x themselves: two more "
              "ways lead from x to y", lambda c: _to_x(c, by_mean=False, by_var=False)),
            M("the way by the variance is missing: − x̂ · mean(dx̂ · x̂)",
              lambda c: _to_x(c, by_var=False)),
            M("the way by the mean is missing: − mean(dx̂)", lambda c: _to_x(c, by_mean=False)),
            M("gamma is missing on the way back: dx̂ = γ dL/dy", lambda c: _to_x(c, gamma=False)),
        ],
        "gamma": [
            M("missing sum over axis 0: gamma is used in every row",
              lambda c: c.grad_output * _normal(c)),
            M("the gradient of gamma is Σ dL/dy · x̂, with the normalized x̂ and not x itself",
              lambda c: (c.grad_output * c.inputs["x"]).sum(axis=0)),
            M("the gradient of gamma is Σ dL/dy · x̂, with the normalized x̂ and not the output y",
              lambda c: (c.grad_output * _affine(c, _normal(c))).sum(axis=0)),
        ],
        "beta": [
            M("missing sum over axis 0: beta is added to every row", lambda c: c.grad_output),
        ],
    },
    [single(_batch_norm_cases)],
    0.5,
)  # fmt: skip


def _running(bench: Bench) -> list[Item]:
    """Return the items for the running statistics, and for what inference makes of them."""
    rng = bench.rng(3)
    batches = [rng.normal(1.0, 2.0, (5, 3)) for _ in range(2)]
    gamma, beta, x = rng.uniform(0.5, 2.0, 3), rng.normal(size=3), rng.normal(size=(4, 3))

    def averages(share: float = 0.1, ddof: int = 1) -> Any:
        m, v = np.zeros(3), np.ones(3)
        for batch in batches:
            m = (1 - share) * m + share * batch.mean(axis=0)
            v = (1 - share) * v + share * batch.var(axis=0, ddof=ddof)
        return np.stack([m, v])

    def trained(cls: Any) -> Any:
        layer = cls(gamma.copy(), beta.copy(), eps=EPS, momentum=0.1)
        outputs = [layer.forward(batch.copy()) for batch in batches]
        if any(y is None or y is ... for y in outputs):
            raise NotDone("forward returns None")
        return layer

    def statistics(cls: Any) -> Any:
        layer = trained(cls)
        return np.stack([layer.running_mean, layer.running_var])

    def used(cls: Any) -> Any:
        return trained(cls).forward(x.copy(), training=False)

    def inferred(stats: Any) -> Any:
        return gamma * (x - stats[0]) / np.sqrt(stats[1] + EPS) + beta

    case = Case({"x": x}, {"gamma": gamma, "beta": beta})
    stored = [
        M("the biased variance is stored; the running one takes the unbiased, N/(N−1) times it",
          lambda _: averages(ddof=0)),
        M("momentum is the share of the new batch: (1 − m) · running + m · new, yours is the other "
          "way round", lambda _: averages(0.9)),
        M("the running statistics are never updated", lambda _: averages(0.0)),
        M("the running statistics are those of the last batch", lambda _: averages(1.0)),
    ]  # fmt: skip
    inference = [
        M("the statistics of the batch are used in inference (training=False); the running ones "
          "have to be", lambda _: _affine(case, _normal(case))),
        *[Mistake(m.words, lambda c, m=m: inferred(m.formula(c))) for m in stored],  # type: ignore[misc]
    ]  # fmt: skip
    return [
        judge("edge cases", "running mean and variance after two batches", 1.0,
              [Pair(bench.call(statistics), averages(), case)], stored),
        judge("edge cases", "forward with training=False", 1.0,
              [Pair(bench.call(used), inferred(averages()), case)], inference),
    ]  # fmt: skip


batch_norm = Exercise(
    "batch_norm", "batch normalization, for training and inference", ("L51", "L52"), "BatchNorm",
    """
In training, each feature of x, shape (N, C), is normalized with the mean μ and the biased
variance σ² of the batch: x̂ = (x − μ)/√(σ² + ε), y = γ x̂ + β.  The backward pass returns dL/dx,
where μ and σ² depend on x as well, and stores self.dgamma and self.dbeta. Inference
(training=False) uses running statistics instead: running_mean starts at 0, running_var at 1, and
each batch in training changes them to (1 − momentum) · running + momentum · new, where the new
variance is the unbiased one.""",
    '''
import numpy as np


class BatchNorm:
    def __init__(self, gamma, beta, eps=1e-5, momentum=0.1):
        """gamma and beta have shape (C,)."""
        self.gamma, self.beta, self.eps, self.momentum = gamma, beta, eps, momentum
        self.running_mean, self.running_var = np.zeros(len(gamma)), np.ones(len(gamma))

    def forward(self, x, training=True):
        """Return y, shape (N, C)."""
        ...

    def backward(self, grad_output):
        """Return dL/dx (of training), shape (N, C); store self.dgamma and self.dbeta."""
        ...
''', (*BATCH_NORM.parts, _running),
)  # fmt: skip
