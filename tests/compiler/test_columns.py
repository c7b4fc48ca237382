"""A column is added to a matrix in place by NumPy's own library; the numbers are NumPy's."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.compiler import blas, execute
from tinygrad_lecture.compiler.blas import column_added

rng = np.random.default_rng(0)
N, M = 192, 128
W = rng.normal(size=(M, M))
assert N * M >= execute.COLUMNS


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (130, 33), (512, 128)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_library_adds_a_column(
    dtype: Any, shape: tuple[int, int], step: int, sign: float
) -> None:
    z = rng.normal(size=shape).astype(dtype)
    x = rng.normal(size=shape[0] * step).astype(dtype)[::step]
    wanted = z + dtype(sign) * x[:, None]
    add = column_added(z, x, sign)
    if add is None:
        pytest.skip("NumPy's library of linear algebra has no ger")
    add()
    np.testing.assert_array_equal(z, wanted)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_added_as_well(bad: float) -> None:
    z, x = rng.normal(size=(20, 30)), rng.normal(size=20)
    z[3, 4], x[5], z[6], x[6] = bad, bad, 0.0, 0.0
    wanted = z + x[:, None]
    add = column_added(z, x, 1.0)
    if add is not None:
        add()
        np.testing.assert_array_equal(z, wanted)


def test_there_is_no_routine_for_other_numbers_or_if_it_adds_wrongly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert column_added(np.zeros((2, 3), int), np.ones(2, int), 1.0) is None
    if blas.ger(np.dtype(float)) is not None:
        wrong = blas.Routine(lambda *args: None, ctypes.c_double)
        monkeypatch.setattr(blas, "_routine", lambda name, dtype: wrong)
        assert blas.ger.__wrapped__(np.dtype(float)) is None


def centred(x: Any) -> Any:
    z = x @ W
    z = z - tg.mean(z, axis=1, keepdims=True)
    return tg.sum(tg.tanh(z) * x)


def shifted(x: Any) -> Any:
    z = tg.sum(x, axis=1, keepdims=True) + x @ W
    return tg.sum(tg.sin(z) * x)


def of_itself(x: Any) -> Any:
    z = x @ W
    return tg.sum(tg.tanh(z - z[:, 1:2]) * x)


def reflected(x: Any) -> Any:
    z = tg.mean(x, axis=1, keepdims=True) - x @ W
    return tg.sum(tg.tanh(z) * x)


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("f", [centred, shifted, of_itself, reflected])
def test_compiled_is_eager(
    f: Callable[[Any], Any], library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not library:
        monkeypatch.setattr(execute, "column_added", lambda *args: None)
    g = tg.value_and_grad(f)
    fast = tg.compile(g)
    fast(rng.normal(size=(N, M)))
    x = rng.normal(size=(N, M))
    found, wanted = fast(x), g(x)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-12)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-9, atol=1e-12)
    text = "\n".join(fast.program.exe.early)
    if f in (centred, shifted):
        assert ("add_column" in text) == (library and blas.ger(np.dtype(float)) is not None)
    if f in (of_itself,):
        assert "add_column" not in text.split("tanh")[0]
