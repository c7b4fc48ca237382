"""Convolution and pooling: definitions by loops, gradients at ties and borders, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.nn import functional as F


def by_loops(x: Any, w: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The definition, number by number."""
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    spans = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    rows, columns = ((n - s) // t + 1 for n, s, t in zip(x.shape[2:], spans, stride, strict=True))
    y = np.zeros((len(x), len(w), rows, columns))
    for n, o, r, c in np.ndindex(y.shape):
        top, left = r * stride[0], c * stride[1]
        window = x[n, :, top : top + spans[0] : dilation[0], left : left + spans[1] : dilation[1]]
        y[n, o, r, c] = (window * w[o]).sum()
    return y


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(kernel=pairs, stride=pairs, dilation=pairs, padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
       extra=st.tuples(st.integers(0, 3), st.integers(0, 3)), n=st.integers(0, 2),
       channels=st.integers(1, 3), filters=st.integers(1, 3), seed=st.integers(0, 99))  # fmt: skip
def test_conv2d_is_its_definition_for_any_shape(
    kernel: Any, stride: Any, dilation: Any, padding: Any, extra: Any, n: int, channels: int,
    filters: int, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    size = [
        max(1, d * (k - 1) + 1 + e - 2 * p)
        for k, d, e, p in zip(kernel, dilation, extra, padding, strict=True)
    ]
    x = rng.normal(size=(n, channels, *size))
    w = rng.normal(size=(filters, channels, *kernel))
    y = F.conv2d(x, w, None, stride, padding, dilation)
    np.testing.assert_allclose(y, by_loops(x, w, stride, padding, dilation), rtol=1e-12, atol=1e-13)
    # the gradient is the transposed map: <y(x), g> = <x, dx(g)>
    v, g = tg.Value(x), rng.normal(size=y.shape)
    F.conv2d(v, w, None, stride, padding, dilation).backward(seed=g)
    assert (v.grad * x).sum() == pytest.approx((y * g).sum(), rel=1e-10, abs=1e-10)


def test_groups_are_convolutions_side_by_side() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 4, 5, 5)), rng.normal(size=(6, 2, 3, 3))
    together = F.conv2d(x, w, groups=2)
    apart = [F.conv2d(x[:, :2], w[:3]), F.conv2d(x[:, 2:], w[3:])]
    np.testing.assert_allclose(together, np.concatenate(apart, 1), rtol=1e-13)


def test_same_padding_keeps_the_size_and_starts_are_pytorchs() -> None:
    layer = nn.Conv2d(3, 200, (2, 5), padding="same", rng=0)
    assert layer(np.zeros((1, 3, 4, 6))).shape == (1, 200, 4, 6)
    bound = 1 / np.sqrt(30)
    assert 0.99 * bound < np.abs(layer.weight.data).max() <= bound
    he = nn.Conv2d(3, 200, 3, rng=0, init=nn.init.kaiming_normal_)
    assert he.weight.data.std() == pytest.approx(np.sqrt(2 / 27), rel=0.05)
    assert not he.bias.data.any()  # type: ignore[union-attr]
    assert repr(layer) == "Conv2d(3, 200, kernel_size=(2, 5), stride=(1, 1), padding='same')"
    grouped = nn.Conv2d(4, 2, 1, dilation=2, groups=2, bias=False, padding=1)
    assert repr(grouped) == (
        "Conv2d(4, 2, kernel_size=(1, 1), stride=(1, 1), padding=(1, 1), dilation=(2, 2),"
        " groups=2, bias=False)"
    )
    assert repr(nn.MaxPool2d(2)) == (
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    )
    assert repr(nn.AvgPool2d(2, 1)) == "AvgPool2d(kernel_size=2, stride=1, padding=0)"


def test_the_first_of_equal_numbers_gets_the_gradient_of_a_maximum() -> None:
    x = tg.Value(np.array([[[[1.0, 1.0], [1.0, 0.0]]]]))
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]


def test_padding_is_never_the_largest_and_debug_does_not_mind_it() -> None:
    x = np.full((1, 1, 2, 2), -1e300)
    with tg.debug():
        y = F.max_pool2d(tg.Value(x), 2, padding=1)
    assert y.data.tolist() == [[[[-1e300, -1e300], [-1e300, -1e300]]]]
    assert F.max_pool2d(np.ones((1, 1, 2, 2), np.float32), 2, padding=1).dtype == np.float32


def test_a_small_convolutional_net_learns_which_way_bars_go() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 1, 8, 8)) * 0.5, np.arange(60) % 2
    for image, upright in zip(x, y, strict=True):
        k = rng.integers(8)
        image[0][(slice(None), k) if upright else (k, slice(None))] += 2.0
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=1, init=nn.init.kaiming_normal_), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(36, 2, rng=2),
    )  # fmt: skip
    optimizer, criterion = tg.optim.Adam(net.parameters(), lr=0.01), nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    fast = tg.compile(step)
    for _ in range(60):
        fast(x, y)
    assert (net(x).data.argmax(1) == y).mean() == 1.0


IMAGE = np.ones((1, 2, 4, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.conv2d(IMAGE[0], np.ones((1, 2, 2, 2))), r"x must have shape \(N, C, H, W\).*\(2, 4, 4\)"),
        (lambda: F.conv2d(IMAGE, np.ones((1, 3, 2, 2))), "groups=1 must divide the 2 channels"),
        (lambda: F.conv2d(IMAGE, np.ones((3, 1, 2, 2)), groups=2), "and its 3 filters"),
        (lambda: F.conv2d(IMAGE, np.ones((1, 2, 5, 5))), r"a window of 5 .* does not fit into an image"),
        (lambda: F.conv2d(IMAGE, np.ones((1, 2, 3, 3)), stride=2, padding="same"), "needs stride 1, got 2"),
        (lambda: F.conv2d(IMAGE, np.ones((1, 2, 3, 3)), padding="full"), "or \"same\", got 'full'"),
        (lambda: F.conv2d(IMAGE, np.ones((1, 2, 3, 3)), stride=0), "stride=0 has to be an int of at least 1"),
        (lambda: nn.Conv2d(1, 1, 1.5), r"kernel_size=1\.5 has to be an int"),  # type: ignore[arg-type]
        (lambda: nn.Conv2d(1, 1, (1, 2, 3)), r"kernel_size=\(1, 2, 3\) has to be"),  # type: ignore[arg-type]
        (lambda: nn.Conv2d(0, 1, 1), "must be at least 1, got 0, 1, 1"),
        (lambda: nn.Conv2d(3, 4, 1, groups=2), "groups=2 must divide in_channels=3"),
        (lambda: nn.Conv2d(2, 2, 1, padding=-1), "padding=-1 has to be an int of at least 0"),
        (lambda: nn.MaxPool2d(2)(IMAGE[0]), r"max_pool2d: x must have shape \(N, C, H, W\)"),
        (lambda: nn.MaxPool2d(2, padding=2)(IMAGE), "padding 2 is more than half of kernel_size"),
        (lambda: nn.AvgPool2d(0), "kernel_size=0 has to be"),
        (lambda: nn.AvgPool2d(5)(IMAGE), "does not fit into an image"),
        (lambda: tg.patches(IMAGE, 2, padding=(1, -1)), "padding=-1 has to be"),
        (lambda: tg.patches(IMAGE[0], 2), r"patches needs images of shape \(N, C, H, W\)"),
        (lambda: tg.overlay(IMAGE, 4), "is not the patches of an image of size"),
        (lambda: tg.normalize(IMAGE, 0, eps=-1.0), r"eps=-1\.0: normalize needs at least 0"),
        (lambda: tg.normalize(np.ones((0, 3)), 0), "normalize of no elements"),
        (lambda: F.batch_norm(np.ones(3), training=True), r"batch_norm: x must have shape \(N, C, ...\)"),
        (lambda: F.batch_norm(np.ones((2, 3))), "running_mean and running_var are needed"),
        (lambda: nn.BatchNorm2d(3)(np.ones((2, 3))), r"BatchNorm2d: the input must have shape \(N, 3, H, W\)"),
        (lambda: nn.Flatten(2)(np.ones((2, 3))), r"shape \(2, 3\) has no axes 2 to -1"),
        (lambda: nn.ScaledLinear(2, 2, 0.0), r"scale must be finite and not 0, got 0\.0"),
        (lambda: nn.Maxout(2, 2, 0), "out_features and num_pieces must be at least 1, got 2, 0"),
        (lambda: nn.ResNetMLP(5, 3), "depth must be even and at least 2, got 5"),
        (lambda: nn.ResidualBlock(0), "at least 1, got 0, 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
