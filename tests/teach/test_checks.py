"""``check_forward``, ``check_backward``, ``check_module``, ``check_optimizer``: points and reasons."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_lecture as tg
from tinygrad_lecture import teach
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.nn import manual
from tinygrad_lecture.optim import SGD
from tinygrad_lecture.teach import Mistake, Report

Array = NDArray[Any]
X = np.random.default_rng(3).normal(size=(5, 3))
W = np.random.default_rng(4).normal(size=(2, 3))


def reason(report: Report) -> str:
    assert not report
    assert report.points < report.possible
    return "\n".join(report.reasons)


def fails(x: Any) -> Any:
    raise ZeroDivisionError("no luck")


class TestForward:
    def test_right(self) -> None:
        report = teach.check_forward(np.tanh, tg.tanh, X, points=3)

        assert report
        assert report.points == 3.0
        assert str(report) == "tanh: 3 of 3 points\n  ✓ forward, values (3 of 3)"
        assert report.raise_for_failure() is report

    @pytest.mark.parametrize(
        ("student", "phrase"),
        [
            (lambda x: -np.tanh(x), "sign: minus this is right"),
            (lambda x: 3 * np.tanh(x), "factor 3 in every number"),
            (lambda x: np.tanh(x) + 0.5, "off by 0.5 in every number"),
            (
                lambda x: np.tanh(x).T,
                "transpose: .T of it is right; the shape is 3×5 and should be 5×3",
            ),
            (lambda x: np.tanh(x).ravel(), "reshape, the numbers are right"),
            (lambda x: np.tanh(x)[::-1], "the right numbers in another order"),
            (lambda x: np.tanh(x).sum(), "one number for a whole array"),
            (lambda x: np.zeros_like(x), "all zero: it is never filled in"),
            (lambda x: np.where(x < 0, 0.0, np.tanh(x)), "numbers are wrong; yours 0, right -0."),
            (
                lambda x: np.log(np.tanh(x)),
                "nan or inf: an overflow, 0/0, inf − inf or the log of 0",
            ),
            (lambda x: np.tanh(x) + 0j, "it gave an array of shape (5, 3) and dtype complex128"),
            (lambda x: "tanh", "it gave str, and an array of shape (5, 3) is needed"),
            (lambda x: [[1.0], [1.0, 2.0]], "it gave a list of 2"),
            (
                lambda x: x.tnah(),
                "it raises AttributeError: 'numpy.ndarray' object has no attribute 'tnah'",
            ),
            (lambda x, y: x, "it raises TypeError"),
            (lambda x: sys.exit(3), "it ends the program (sys.exit)"),
            (
                lambda x: fails(x),
                f"no luck (line {fails.__code__.co_firstlineno + 1}: raise ZeroDivisionError",
            ),
        ],
    )
    def test_wrong(self, student: Callable[..., Any], phrase: str) -> None:
        assert phrase in reason(teach.check_forward(student, tg.tanh, X))

    @pytest.mark.parametrize(("number", "phrase"), [(X.sum, "the mean is missing"), (X.mean, "")])
    def test_one_number(self, number: Any, phrase: str) -> None:
        def student(x: Array) -> Any:
            return x if phrase else x.mean()

        report = teach.check_forward(student, tg.mean, X)
        assert phrase in "".join(report.reasons)
        assert bool(report) is not bool(phrase)

    @pytest.mark.parametrize("nothing", [None, ...])
    def test_not_done(self, nothing: Any) -> None:
        def todo(x: Array) -> Any:
            raise NotImplementedError

        for student in (lambda x: nothing, todo):
            report = teach.check_forward(student, tg.tanh, X)
            assert [item.result for item in report.items] == ["not done yet"]
            assert report.points == 0.0

    def test_other_cases_than_the_example(self) -> None:
        """A result that is right for the example alone is no solution."""
        example = np.tanh(X)

        assert "yours" in reason(teach.check_forward(lambda x: example, tg.tanh, X))

    def test_lists_and_numbers_are_taken(self) -> None:
        assert teach.check_forward(lambda x: np.tanh(x).tolist(), tg.tanh, X)
        assert teach.check_forward(lambda x: float(np.tanh(x)), tg.tanh, 0.5)

    def test_writing_into_an_input(self) -> None:
        def student(x: Array) -> Array:
            x += 1.0
            return np.tanh(x - 1.0)

        report = teach.check_forward(student, tg.tanh, X)
        assert not report
        assert "it writes into x, the caller's array" in report.reasons[0]

    def test_known_mistakes_come_first(self) -> None:
        known = Mistake("sinh, not tanh", lambda case: np.sinh(case.inputs["x"]))

        report = teach.check_forward(np.sinh, lambda x: np.tanh(x), X, mistakes=[known])
        assert report.reasons == ["sinh, not tanh"]

    def test_seeds_make_the_same_report(self) -> None:
        def student(x: Array) -> Array:
            return np.abs(np.tanh(x))

        first, again = (str(teach.check_forward(student, tg.tanh, X, seed=4)) for _ in range(2))
        assert first == again

    def test_bad_references(self) -> None:
        with pytest.raises(UsageError, match="reference: it raises ZeroDivisionError"):
            teach.check_forward(np.tanh, lambda x: 1 / 0, X)
        with pytest.raises(UsageError, match="inputs are missing"):
            teach.check_forward(np.tanh, tg.tanh)
        with pytest.raises(UsageError, match="inputs must be finite"):
            teach.check_forward(np.tanh, tg.tanh, np.array([np.nan]))


def layer(x: Any, W: Any, b: Any) -> Any:
    return (x @ W.T + b).tanh()


def backward(g: Array, x: Array, W: Array, b: Array) -> Any:
    d = g * (1 - np.tanh(x @ W.T + b) ** 2)
    return d @ W, d.T @ x, d.sum(axis=0)


class TestBackward:
    def check(self, student: Callable[..., Any], **options: Any) -> Report:
        return teach.check_backward(student, layer, X, W, np.zeros(2), points=3, **options)

    def test_right(self) -> None:
        assert self.check(backward).points == 3.0
        assert self.check(lambda *a: dict(zip(("dx", "dW", "b"), backward(*a), strict=True)))

    @pytest.mark.parametrize(
        ("k", "change", "phrase"),
        [
            (
                1,
                lambda d: d.T,
                "transpose: the shape is that of .T, and the transposed numbers are right",
            ),
            (
                1,
                lambda d: 2 * d,
                "factor 2: the ½ of ½x² forgotten, or a contribution counted twice",
            ),
            (1, lambda d: d / 5, "factor 1/5: a mean over 5 where the function has a sum"),
            (0, lambda d: -d, "sign: minus the gradient is right"),
            (0, lambda d: 0 * d, "zero gradient: it is never filled in"),
            (2, lambda d: d.sum(), "one number for a whole array"),
            (2, lambda d: None, "it returns None"),
            (2, lambda d: np.full(2, np.nan), "nan or inf"),
        ],
    )
    def test_wrong(self, k: int, change: Callable[[Any], Any], phrase: str) -> None:
        def student(*args: Any) -> Any:
            parts = list(backward(*args))
            parts[k] = change(parts[k])
            return tuple(parts)

        report = self.check(student)
        assert report.points == 2.0
        assert phrase in reason(report)

    def test_bias_not_summed(self) -> None:
        def student(g: Array, x: Array, W: Array, b: Array) -> Any:
            d = g * (1 - np.tanh(x @ W.T + b) ** 2)
            return d @ W, d.T @ x, d

        assert (
            "missing sum over axis 0, along which the argument was broadcast (summed, the numbers are right)"
            in reason(self.check(student))
        )

    def test_lost_contribution(self) -> None:
        report = teach.check_backward(lambda g, x: g * np.exp(x), lambda x: x * tg.exp(x), X)

        assert "= for +=: x is used 2 times and only one use is counted" in reason(report)

    def test_a_forgotten_derivative(self) -> None:
        def student(g: Array, x: Array, W: Array, b: Array) -> Any:
            return g @ W, g.T @ x, g.sum(axis=0)

        told = [item.reason for item in self.check(student).items]
        assert len(told) == 3
        assert all(line.startswith("the derivative of tanh is forgotten; ") for line in told)

    def test_grad_output_not_used(self) -> None:
        report = teach.check_backward(lambda g, x: np.cos(x), tg.sin, X)

        assert "grad_output is not used" in reason(report)

    def test_a_loss_has_a_number_as_grad_output(self) -> None:
        def student(g: float, x: Array) -> Array:
            assert isinstance(g, float)
            return 2 * g * x

        assert teach.check_backward(student, lambda x: (x * x).sum(), X)

    def test_integers_are_constants(self) -> None:
        def student(g: float, z: Array, labels: Array) -> Any:
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            return g * (p - np.eye(3)[labels]) / len(z)

        labels = np.array([0, 2, 1, 1, 0])
        assert teach.check_backward(student, tg.nn.functional.cross_entropy, X, labels)

    def test_wrong_number_of_gradients(self) -> None:
        report = self.check(lambda *args: backward(*args)[:2])

        assert reason(report) == "it returned 2 gradients, and 3 are needed: x, W, b"

    def test_a_gradient_may_be_a_list(self) -> None:
        assert teach.check_backward(lambda g, x: (g * np.cos(x)).tolist(), tg.sin, X)

    def test_known_mistakes(self) -> None:
        known = {"x": [Mistake("cosine forgotten", lambda c: c.grad_output)]}
        report = teach.check_backward(lambda g, x: g, tg.sin, X, mistakes=known)

        assert report.reasons == ["cosine forgotten"]

    def test_a_reference_without_values(self) -> None:
        with pytest.raises(UsageError, match="must be a function of Values"):
            teach.check_backward(lambda g, x: g, lambda x: 1.0, X)


class Linear:
    def __init__(self) -> None:
        self.W, self.b = np.zeros((2, 3)), np.zeros(2)

    def forward(self, x: Array) -> Array:
        self.x = x
        out: Array = x @ self.W.T + self.b
        return out

    def backward(self, g: Array) -> Array:
        self.dW, self.db = g.T @ self.x, g.sum(axis=0)
        out: Array = g @ self.W
        return out


class TestModule:
    @pytest.mark.parametrize(
        "reference", [tg.nn.Linear(3, 2, rng=0), manual.Linear(3, 2, rng=0)], ids=["nn", "manual"]
    )
    def test_right(self, reference: Any) -> None:
        student = Linear()
        report = teach.check_module(student, reference, X)

        assert report, str(report)
        assert report.points == pytest.approx(10.0)
        assert not student.W.any()  # it is never changed
        names = {"W": "weight", "b": "bias"}
        assert teach.check_module(student, reference, X, parameters=names)

    @pytest.mark.parametrize(
        "reference", [tg.nn.Linear(3, 2, rng=0), manual.Linear(3, 2, rng=0)], ids=["nn", "manual"]
    )
    def test_wrong(self, reference: Any) -> None:
        class Mean(Linear):
            def backward(self, g: Array) -> Array:
                out = super().backward(g)
                self.dW = self.dW / len(g)
                return out

        report = teach.check_module(Mean(), reference, X)
        assert "factor 1/5: a mean over 5 where the function has a sum" in reason(report)
        assert report.points == pytest.approx(8.0)

    def test_adding_up(self) -> None:
        class Adds(Linear):
            def backward(self, g: Array) -> Array:
                before = getattr(self, "dW", 0.0)
                out = super().backward(g)
                self.dW = before + self.dW
                return out

        report = teach.check_module(Adds(), tg.nn.Linear(3, 2, rng=0), X)
        assert "they add up from call to call" in reason(report)

    def test_failing_the_second_time(self) -> None:
        class Once(Linear):
            def forward(self, x: Array) -> Array:
                if hasattr(self, "x"):
                    raise RuntimeError("once is enough")
                return super().forward(x)

        report = teach.check_module(Once(), tg.nn.Linear(3, 2, rng=0), X)
        assert (
            "when both passes run a second time, it raises RuntimeError: once is enough"
            in reason(report)
        )
        assert "they add up" not in reason(report)
        assert report.points == pytest.approx(9.0)

    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_gradients_of_parameters_may_be_returned(self, count: int) -> None:
        """Those that are missing may be stored; there must not be more than there are names."""

        class Returns(Linear):
            def backward(self, g: Array) -> Any:
                dx = super().backward(g)
                return (dx, self.dW, self.db, dx)[:count]

        report = teach.check_module(Returns(), tg.nn.Linear(3, 2, rng=0), X)
        if count < 4:
            assert report, str(report)
        else:
            assert "it returned 4 gradients, and 3 are needed: x, weight, bias" in reason(report)
            assert report.points < 10.0

    def test_two_inputs_need_two_gradients(self) -> None:
        class Product:
            def forward(self, a: Array, b: Array) -> Array:
                self.a, self.b = a, b
                return a * b

            def backward(self, g: Array) -> Any:
                return self.given(g)

            def given(self, g: Array) -> Any:
                return (g * self.b,)

        class Both(Product):
            def given(self, g: Array) -> Any:
                return [g * self.b, g * self.a]

        few = teach.check_module(Product(), lambda a, b: a * b, X, X + 1)
        assert "it returned 1 gradients, and 2 are needed: a, b" in reason(few)
        assert teach.check_module(Both(), lambda a, b: a * b, X, X + 1)

    def test_a_missing_parameter(self) -> None:
        report = teach.check_module(manual.Tanh(), tg.nn.Linear(3, 2, rng=0), X)

        assert "a parameter of shape (2, 3) is needed (weight)" in reason(report)

    def test_a_function_as_reference_and_a_loss(self) -> None:
        assert teach.check_module(manual.Tanh(), tg.tanh, X)
        assert teach.check_module(
            manual.HalfMSE(), lambda f, y: 0.5 * ((f - y) ** 2).mean(), X, X + 1
        )

    def test_backward_that_spoils_the_output_of_forward(self) -> None:
        class Spoils:
            def forward(self, x: Array) -> Array:
                self.y = np.tanh(x)
                return self.y

            def backward(self, g: Array) -> Array:
                self.y *= self.y
                out: Array = g * (1 - self.y)
                return out

        report = teach.check_module(Spoils(), tg.nn.Tanh(), X)
        assert "it writes into its own output" in reason(report)

    def test_unknown_parameter_names(self) -> None:
        with pytest.raises(UsageError, match="parameters: the reference has no 'w'"):
            teach.check_module(Linear(), tg.nn.Linear(3, 2, rng=0), X, parameters={"W": "w"})

    def test_bad_references(self) -> None:
        with pytest.raises(
            UsageError, match="reference: the class Tanh came; a function of Values"
        ):
            teach.check_module(manual.Tanh(), tg.nn.Tanh, X)


class Momentum:
    def __init__(self, lr: float, momentum: float = 0.0) -> None:
        self.lr, self.momentum, self.v = lr, momentum, 0.0

    def step(self, theta: Any, grad: Any) -> Any:
        self.v = self.momentum * self.v + grad
        return theta - self.lr * self.v


class TestOptimizer:
    def test_right(self) -> None:
        assert teach.check_optimizer(Momentum, tg.optim.SGD, lr=0.1, momentum=0.9).points == 10.0
        assert teach.check_optimizer(Momentum, Momentum, lr=0.1)

    def test_one_of_the_engine(self) -> None:
        """A student's subclass of Optimizer, as in notebook 11."""

        class Mine(SGD):
            pass

        assert teach.check_optimizer(Mine, tg.optim.SGD, lr=0.1, momentum=0.5)
        report = teach.check_optimizer(tg.optim.Adam, tg.optim.SGD, lr=0.1)
        assert report.points == pytest.approx(2.0)

    @pytest.mark.parametrize(
        ("step", "phrase"),
        [
            (lambda s, theta, g: None, "step returns None"),
            (
                lambda s, theta, g: np.zeros(7),
                "step returned an array of shape (7,); the new parameters",
            ),
            (lambda s, theta, g: "x", "step returned str"),
            (lambda s, theta, g: theta / 0, ""),
            (lambda s, theta, g: theta + s.lr * g, "yours"),
        ],
    )
    def test_wrong(self, step: Callable[..., Any], phrase: str) -> None:
        kind = type("Mine", (Momentum,), {"step": step})

        report = teach.check_optimizer(kind, tg.optim.SGD, lr=0.1)
        assert phrase in reason(report)

    def test_known_mistakes(self) -> None:
        from tinygrad_lecture.teach.optimizers import trajectory

        def up(theta: Any, gradient: Any, state: Any, t: int, lr: float) -> Any:
            return [theta + lr * gradient(theta)]

        kind = type("Mine", (Momentum,), {"step": lambda s, theta, g: theta + s.lr * g})
        known = Mistake("uphill", lambda task: trajectory(up, task))
        report = teach.check_optimizer(kind, tg.optim.SGD, lr=0.1, mistakes=[known])
        assert report.reasons == ["uphill"]


def every(**options: Any) -> list[Callable[[], Report]]:
    """All four checks, of right solutions."""
    return [
        lambda: teach.check_forward(np.tanh, tg.tanh, X, **options),
        lambda: teach.check_backward(lambda g, x: g * np.cos(x), tg.sin, X, **options),
        lambda: teach.check_module(manual.Tanh(), tg.nn.Tanh(), X, **options),
        lambda: teach.check_optimizer(Momentum, tg.optim.SGD, lr=0.1, **options),
    ]


class TestArguments:
    @pytest.mark.parametrize("seed", [np.int64(3), np.random.default_rng(3)])
    def test_seeds(self, seed: Any) -> None:
        assert all(check() for check in every(seed=seed))

    @pytest.mark.parametrize("seed", [None, -1, 1.5, "a", True])
    def test_bad_seeds(self, seed: Any) -> None:
        for check in every(seed=seed):
            with pytest.raises(UsageError, match="seed must be a non-negative integer"):
                check()

    @pytest.mark.parametrize("points", [-1, float("nan"), float("inf"), None, "10"])
    def test_bad_points(self, points: Any) -> None:
        for check in every(points=points):
            with pytest.raises(UsageError, match="points must be a finite number ≥ 0, got"):
                check()

    @pytest.mark.parametrize("count", [0, -1, 2.5, None])
    def test_bad_counts(self, count: Any) -> None:
        for check in every(cases=count)[:3]:
            with pytest.raises(UsageError, match="cases must be an integer ≥ 1, got"):
                check()
        with pytest.raises(UsageError, match="steps must be an integer ≥ 1, got"):
            teach.check_optimizer(Momentum, tg.optim.SGD, steps=count, lr=0.1)
