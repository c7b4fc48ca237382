"""Batch normalization (L51 to L53): claims notice layers that compute something else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lecture import experiments, nn
from tinygrad_lecture.engine import mean, square
from tinygrad_lecture.experiments.normalization import paper_gradient


class WithoutGradientOfStatistics(nn.BatchNorm1d):
    """A common mistake: mean and variance as constants."""

    def forward(self, x: Any) -> Any:
        super().forward(x)
        data = x if isinstance(x, np.ndarray) else x.data
        centered = x - data.mean(axis=0)
        return centered / np.sqrt(data.var(axis=0) + self.eps) * self.weight + self.bias


class SecondMoment(nn.BatchNorm1d):
    """Divides by √mean(x²), without the mean taken off."""

    def forward(self, x: Any) -> Any:
        return x * (mean(square(x), 0) + self.eps) ** -0.5 * self.weight + self.bias


class Biased(nn.BatchNorm1d):
    """Keeps the biased variance."""

    def _track(self, average: Any, variance: Any) -> None:
        super()._track(average, variance * (63 / 64))


def scale_only(width: int, **settings: Any) -> nn.Module:
    return nn.Sequential()


@pytest.mark.parametrize(
    ("experiment", "layer", "check"),
    [
        (experiments.bn_forward, SecondMoment, "mean of a normalized batch"),
        (experiments.bn_forward, Biased, "running variance after 3 batches − by hand"),
        (experiments.bn_gradient, WithoutGradientOfStatistics, "∂x − the paper's"),
        (
            experiments.bn_gradient,
            WithoutGradientOfStatistics,
            "∂x agrees with central differences",
        ),
        (experiments.bn_scale_invariance, scale_only, "BN(aWx) − BN(Wx)"),
    ],
)
def test_claims_notice_another_layer(experiment: Any, layer: Any, check: str) -> None:
    assert experiment(layer=layer)[check].verdict == "fails"


def test_without_normalization_nothing_is_rescued() -> None:
    outcome = experiments.bn_rescue(norm=scale_only, steps=20, quick=True)
    assert outcome["loss, N(0, 0.01²), BN"].verdict == "fails"
    assert outcome["loss, N(0, 1), BN"].verdict == "fails"


def test_the_papers_formulas_against_a_batch_by_hand() -> None:
    # x = ±1, γ = 1, ε = 0: x̂ = ±1; ∂y = (1, 0) gives ∂x̂ − mean − x̂ mean(∂x̂ x̂) = 0.
    gradient = paper_gradient(
        np.array([[1.0], [-1.0]]), np.array([1.0]), np.array([[1.0], [0.0]]), 0.0
    )
    assert gradient["x"].ravel().tolist() == pytest.approx([0.0, 0.0])
    assert gradient["compact"].ravel().tolist() == pytest.approx([0.0, 0.0])
    assert (gradient["gamma"].item(), gradient["beta"].item()) == (1.0, 1.0)
