"""Whatever comes out of a student's code, a check says it and raises nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from wrong_solutions import solution

import tinygrad_lecture as tg
from tinygrad_lecture import teach
from tinygrad_lecture.teach import EXERCISES, Limits

LIMITS = Limits(seconds=0.5)  # some odd results make a loop long


class Rude:
    """An object that answers nothing."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __hash__ = None  # type: ignore[assignment]  # not needed


def deeply_nested(_: Any) -> Any:
    x: Any = 1.0
    for _ in range(40):
        x = [x]
    return x


ODD: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda _: None,
    "dots": lambda _: ...,
    "text": lambda _: "text",
    "array of text": lambda _: np.array(["a", "b"]),
    "objects": lambda _: np.array([object(), None]),
    "rude object": lambda _: Rude(),
    "rude list": lambda _: [Rude(), 1.0],
    "empty list": lambda _: [],
    "empty dict": lambda _: {},
    "rows of different lengths": lambda _: [[1.0], [1.0, 2.0]],
    "nested without end": deeply_nested,
    "nan": lambda _: np.nan,
    "inf": lambda _: np.inf,
    "big integer": lambda _: 10**400,
    "complex": lambda x: np.asarray(x) + 1j if isinstance(x, np.ndarray) else 1j,
    "empty array": lambda _: np.zeros(0),
    "many axes": lambda _: np.zeros((1,) * 9),
    "True": lambda _: True,
    "generator": lambda _: (k for k in range(3)),
    "class": lambda _: Rude,
    "masked": lambda x: np.ma.masked_array([1.0, 2.0], [True, False]),
    "record": lambda _: np.zeros(3, dtype=[("a", float)]),
    "dates": lambda _: np.zeros(3, dtype="datetime64[D]"),
    "Value": lambda x: tg.Value(1.0),
    "float16": lambda x: x.astype(np.float16) if isinstance(x, np.ndarray) else np.float16(1),
    "one axis more": lambda x: x[None] if isinstance(x, np.ndarray) else [x],
    "one axis less": lambda x: x[0] if isinstance(x, np.ndarray) and x.ndim else x,
    "not writable": lambda x: np.broadcast_to(x, np.shape(x)) if isinstance(x, np.ndarray) else x,
    "tuple": lambda x: (x, x, x),
}


def methods(entry: Any) -> Iterator[str]:
    if isinstance(entry, type):
        yield from (name for name in vars(entry) if name == "__init__" or name[:2] != "__")


def changed(function: Callable[..., Any], odd: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: odd(function(*args, **kwargs))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", EXERCISES)
def test_odd_results(name: str, odd: str) -> None:
    namespace: dict[str, Any] = {}
    exec(solution(name), namespace)
    entry = namespace[EXERCISES[name].entry]
    subjects: dict[str, Any] = {
        method: type(entry.__name__, (entry,), {method: changed(getattr(entry, method), ODD[odd])})
        for method in methods(entry)
    }
    for method, subject in (subjects or {"": changed(entry, ODD[odd])}).items():
        report = EXERCISES[name].check(subject, limits=LIMITS)
        assert 0.0 <= report.points <= 10.0, method
        assert str(report)
        assert report.to_json()
        assert report._repr_html_()


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", EXERCISES)
def test_odd_attributes(name: str, odd: str) -> None:
    """What a student's object stores may be odd as well."""
    namespace: dict[str, Any] = {}
    exec(solution(name), namespace)
    entry = namespace[EXERCISES[name].entry]
    if not isinstance(entry, type):
        return

    def store(self: Any, key: str, value: Any) -> None:
        object.__setattr__(self, key, ODD[odd](value))

    report = EXERCISES[name].check(
        type(entry.__name__, (entry,), {"__setattr__": store}), limits=LIMITS
    )
    assert str(report)


@pytest.mark.parametrize("name", EXERCISES)
def test_missing_methods(name: str) -> None:
    """A method that is not there, is misspelt, or is a property that raises, is told."""
    for missing in (None, property(lambda self: dict[str, int]()["no"])):
        for method in methods(_entry(name)):
            entry = _entry(name)
            if missing is None:
                delattr(entry, method)
            else:
                setattr(entry, method, missing)
            report = EXERCISES[name].check(entry, limits=LIMITS)
            assert not report, method
            if method != "__init__":
                words = f"attribute {method!r}" if missing is None else "KeyError: 'no'"
                found = " ".join(report.reasons)
                assert words in found or f"no {method}(" in found, found


def _entry(name: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(solution(name), namespace)
    return namespace[EXERCISES[name].entry]


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_missing_methods_of_a_module(method: str) -> None:
    kind = type("Mine", (), {m: vars(Halved)[m] for m in {"forward", "backward"} - {method}})
    report = teach.check_module(kind(), lambda x: 0.5 * x, np.ones((3, 2)))
    assert f"it raises AttributeError: 'Mine' object has no attribute {method!r}" in report.reasons


class Halved:
    def forward(self, x: Any) -> Any:
        return 0.5 * x

    def backward(self, grad_output: Any) -> Any:
        return 0.5 * grad_output


@pytest.mark.parametrize("odd", ODD)
def test_the_four_checks(odd: str) -> None:
    x, change = np.ones((3, 2)), ODD[odd]
    reports = [
        teach.check_forward(changed(np.tanh, change), tg.tanh, x),
        teach.check_backward(changed(lambda g, x: g, change), tg.tanh, x),
    ]
    for method in ("forward", "backward", "__init__"):
        kind = type("Mine", (tg.nn.manual.Tanh,), {})
        setattr(kind, method, changed(getattr(kind, method), change))
        if method != "__init__":
            reports.append(teach.check_module(kind(), tg.nn.Tanh(), x))
    for method in ("step", "__init__"):
        solved: dict[str, Any] = {}
        exec(solution("momentum"), solved)
        entry = solved["Momentum"]
        kind = type("Mine", (entry,), {method: changed(getattr(entry, method), change)})
        reports.append(teach.check_optimizer(kind, tg.optim.SGD, lr=0.1, momentum=0.5))
    assert all(str(report) for report in reports)
