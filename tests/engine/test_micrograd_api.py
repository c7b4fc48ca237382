"""Micrograd's README example works as it stands, with the numbers that its README prints.

The example is karpathy/micrograd's (MIT), README.md; its last digits were read off there.
"""

from __future__ import annotations

import pytest

from tinygrad_lecture import Value


def test_the_example_of_the_readme() -> None:
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_the_first_sanity_check() -> None:
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()

    assert y.data == -20.0
    assert x.grad == 46.0


def test_operators_and_attributes() -> None:
    a, b = Value(2), Value(-3.0)
    results = {
        "a + b": (a + b, -1.0), "a + 1": (a + 1, 3.0), "1 + a": (1 + a, 3.0), "a * b": (a * b, -6.0),
        "a * 2": (a * 2, 4.0), "2 * a": (2 * a, 4.0), "a ** 3": (a**3, 8.0), "a ** -1": (a**-1, 0.5),
        "a.relu()": (a.relu(), 2.0), "b.relu()": (b.relu(), 0.0), "-a": (-a, -2.0), "a - b": (a - b, 5.0),
        "a - 1": (a - 1, 1.0), "1 - a": (1 - a, -1.0), "a / b": (a / b, -2 / 3), "a / 4": (a / 4, 0.5),
        "1 / a": (1 / a, 0.5),
    }  # fmt: skip

    for text, (found, expected) in results.items():
        assert found.data == pytest.approx(expected, rel=1e-15), text
    assert a.data == 2.0


def test_python_sums_of_values() -> None:
    weights = [Value(0.5), Value(-1.0)]
    total = sum((w * x for w, x in zip(weights, [2.0, 3.0], strict=True)), Value(0.25))
    total.backward()

    assert total.data == -1.75
    assert [w.grad for w in weights] == [2.0, 3.0]
    assert sum(weights).data == -0.5  # type: ignore[union-attr]


def test_training_by_hand_writes_to_data() -> None:
    w, b = Value(0.0), Value(0.0)
    points = [(-1.0, -1.0), (0.0, 1.0), (2.0, 5.0)]  # y = 2x + 1
    for _ in range(200):
        loss = sum(((w * x + b - y) ** 2 for x, y in points), Value(0.0)) / len(points)
        for p in (w, b):
            p.grad = 0.0
        loss.backward()
        for p in (w, b):
            p.data += -0.1 * p.grad

    assert w.data == pytest.approx(2.0, abs=1e-3)
    assert b.data == pytest.approx(1.0, abs=1e-3)
    assert loss.data < 1e-5
