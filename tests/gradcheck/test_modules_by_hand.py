"""Classes with NumPy forward and backward (L12), right ones and ones with a student's errors."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck import TargetError, Verdict, gradcheck
from tinygrad_lecture.nn import manual

Array = NDArray[Any]

X = np.random.default_rng(5).normal(size=(4, 3))


class Linear:
    """Right, with gradients stored as dW and db."""

    def __init__(self, n_in: int = 3, n_out: int = 2) -> None:
        rng = np.random.default_rng(1)
        self.W = rng.normal(size=(n_out, n_in))
        self.b = np.zeros(n_out)
        self.dW = np.zeros_like(self.W)  # no parameter, although a float array
        self.x: Any = None

    def forward(self, x: Array) -> Array:
        self.x = x
        out: Array = x @ self.W.T + self.b
        return out

    def backward(self, g: Array) -> Array:
        self.dW = g.T @ self.x
        self.db = g.sum(axis=0)
        out: Array = g @ self.W
        return out


def test_a_right_layer_passes() -> None:
    report = gradcheck(Linear(), X)

    assert report.verdict is Verdict.PASS
    assert report.kind == "a class with forward and backward"
    assert [(a.name, a.size) for a in report.arguments] == [("x", 12), ("W", 6), ("b", 2)]


def test_the_class_itself_will_do_if_it_needs_no_arguments() -> None:
    assert gradcheck(Linear, X).passed


@pytest.mark.parametrize(
    ("module", "inputs", "constants"),
    [
        (manual.Linear(3, 2, rng=0), (X,), ()),
        (manual.Tanh(), (X,), ()),
        (manual.Sigmoid(), (X,), ()),
        (manual.ReLU(), (X,), ()),
        (manual.SoftmaxCE(), (X, np.array([2, 0, 1, 1])), ("labels",)),
    ],
)
def test_the_modules_of_the_lecture_pass(module: Any, inputs: Any, constants: Any) -> None:
    assert gradcheck(module, *inputs, constants=constants).passed


# ------------------------------------------------------------------ students' errors


class Transposed(Linear):
    def backward(self, g: Array) -> Array:
        out = super().backward(g)
        self.dW = self.x.T @ g
        return out


class BiasNotSummed(Linear):
    def backward(self, g: Array) -> Array:
        out = super().backward(g)
        self.db = g
        return out


class BiasFirstRow(Linear):
    def backward(self, g: Array) -> Array:
        out = super().backward(g)
        self.db = g[0]
        return out


class BiasAveraged(Linear):
    def backward(self, g: Array) -> Array:
        out = super().backward(g)
        self.db = g.mean(axis=0)
        return out


class NoReturn(Linear):
    def backward(self, g: Array) -> Array:
        super().backward(g)
        return None  # type: ignore[return-value]


class BiasForgotten(Linear):
    def backward(self, g: Array) -> Array:
        self.dW = g.T @ self.x
        out: Array = g @ self.W
        return out


class IgnoresIncoming(Linear):
    def backward(self, g: Array) -> Array:
        return super().backward(np.ones_like(g))


class Square:
    def forward(self, x: Array) -> Array:
        self.x = x
        return x * x

    def backward(self, g: Array) -> Array:
        return g * self.x


class StaleCache:
    """Keeps the input after it was changed in place."""

    def forward(self, x: Array) -> Array:
        self.x = x
        out = x * x
        self.x *= 2
        return out

    def backward(self, g: Array) -> Array:
        return g * 2 * self.x


class Tanh:
    """Uses the derivative at the input instead of at the output."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.tanh(x)

    def backward(self, g: Array) -> Array:
        return np.asarray(g * (1 - self.x**2))


class Residual:
    """The skip connection's contribution is lost."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return x + np.sin(x)

    def backward(self, g: Array) -> Array:
        return g * np.cos(self.x)


class SoftmaxRows:
    """The Jacobian's diagonal only."""

    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return np.asarray(self.p)

    def backward(self, g: Array) -> Array:
        return np.asarray(g * self.p * (1 - self.p))


class MeanSquare:
    """A loss without the 1/N of its mean."""

    def forward(self, prediction: Array, target: Array) -> float:
        self.r = prediction - target
        return float(np.mean(self.r**2))

    def backward(self) -> Array:
        return 2 * self.r


@pytest.mark.parametrize(
    ("module", "argument", "cause"),
    [
        (Transposed(), "W", "transpose: the shape is that of .T, and the transposed numbers"),
        (BiasNotSummed(), "b", "missing sum over axis 0, along which the argument was broadcast"),
        (BiasFirstRow(), "b", ""),
        (BiasAveraged(), "b", "factor 1/4: a mean over 4 where the function has a sum"),
        (NoReturn(), "x", "no gradient is given: a return or an assignment is missing"),
        (BiasForgotten(), "b", "no gradient is given: a return or an assignment is missing"),
        (IgnoresIncoming(), "x", "grad_output is not used: the gradient is the same for every"),
        (Square(), "x", "= for +=: x is used 2 times and only one use is counted"),
        (StaleCache(), "x", "factor 2"),
        (Tanh(), "x", ""),
        (Residual(), "x", "= for +=: x is used 2 times and only one use is counted"),
        (SoftmaxRows(), "x", ""),
    ],
    ids=lambda item: type(item).__name__,
)
def test_errors_of_students(module: Any, argument: str, cause: str) -> None:
    report = gradcheck(module, X)
    wrong = {a.name: a for a in report.arguments if a.verdict is Verdict.WRONG}

    assert report.verdict is Verdict.WRONG
    assert argument in wrong
    assert cause in wrong[argument].cause


def test_a_loss_without_its_mean() -> None:
    report = gradcheck(MeanSquare(), X, X[::-1].copy())

    assert report.verdict is Verdict.WRONG
    assert report.arguments[0].cause == "factor 12: a sum where the function has a mean over 12"
    assert "no gradient is given for target: held constant" in report.remarks


def test_the_right_parts_of_a_wrong_layer_pass() -> None:
    report = gradcheck(Transposed(), X)

    assert [a.verdict for a in report.arguments] == [Verdict.PASS, Verdict.WRONG, Verdict.PASS]


def test_a_layer_that_writes_into_its_input_is_told_so() -> None:
    report = gradcheck(StaleCache(), X)

    assert any("StaleCache writes into x" in remark for remark in report.remarks)


# ------------------------------------------------------------------ where gradients are kept


class Returns(Linear):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def backward(self, g: Array) -> Any:
        dx, dW, db = g @ self.W, g.T @ self.x, g.sum(axis=0)
        if self.how == "tuple":
            return dx, dW, db
        if self.how == "dict":
            return {"x": dx, "dW": dW, "grad_b": db}
        if self.how == "grads":
            self.grads = {"W": dW, "db": db}
            return dx
        if self.how == "stored":
            self.dx, self.W_grad, self.grad_b = dx, dW, db
            return None
        if self.how == "input":
            self.grad_input, self.W_grad, self.grad_b = dx, dW, db
            return None
        self.dW, self.db = dW, db
        return (dx,)


@pytest.mark.parametrize("how", ["tuple", "dict", "grads", "stored", "input", "one"])
def test_ways_of_giving_gradients(how: str) -> None:
    module = Returns(how)
    del module.dW

    report = gradcheck(module, X)

    assert report.verdict is Verdict.PASS
    assert len(report.arguments) == 3


class Params:
    def __init__(self) -> None:
        self.params = {"W": np.ones((2, 3)), "b": np.zeros(2)}
        self.name = "text is no parameter"
        self.steps = 3

    def forward(self, x: Array) -> Array:
        self.x = x
        out: Array = np.sin(x @ self.params["W"].T + self.params["b"])
        self.z = x @ self.params["W"].T + self.params["b"]
        return out

    def backward(self, g: Array) -> Array:
        g = g * np.cos(self.z)
        self.grads = {"W": g.T @ self.x, "b": g.sum(axis=0)}
        out: Array = g @ self.params["W"]
        return out


def test_parameters_in_a_dict() -> None:
    report = gradcheck(Params(), X)

    assert report.verdict is Verdict.PASS
    assert [a.name for a in report.arguments] == ["x", "params['W']", "params['b']"]


class Net:
    def __init__(self) -> None:
        self.layers: list[Any] = [Linear(3, 4), manual.Tanh(), "no module", Linear(4, 2)]
        self.last = manual.Sigmoid()
        self.twice = self.layers[0]

    def forward(self, x: Array) -> Array:
        for layer in (self.layers[0], self.layers[1], self.layers[3], self.last):
            x = layer.forward(x)
        return x

    def backward(self, g: Array) -> Array:
        for layer in (self.last, self.layers[3], self.layers[1], self.layers[0]):
            g = layer.backward(g)
        return g


def test_parameters_of_nested_modules() -> None:
    report = gradcheck(Net(), X)

    assert report.verdict is Verdict.PASS
    names = [a.name for a in report.arguments]
    assert names == ["x", "layers[0].W", "layers[0].b", "layers[3].W", "layers[3].b"]


class Scale:
    """A plain float counts as a parameter if a gradient is stored for it."""

    def __init__(self) -> None:
        self.gain = 1.5
        self.offset = 0.5
        self.buffer = np.zeros(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.gain * x + self.offset

    def backward(self, g: Array) -> Array:
        self.dgain = float(np.sum(g * self.x))
        return g * self.gain


def test_numbers_as_parameters_and_buffers() -> None:
    report = gradcheck(Scale(), X)

    assert report.verdict is Verdict.PASS
    assert [a.name for a in report.arguments] == ["x", "gain"]
    assert "buffer: no gradient is given, and the output does not depend on it" in report.remarks


def test_parameters_can_be_held_constant() -> None:
    report = gradcheck(BiasForgotten(), X, constants=("b",))

    assert report.verdict is Verdict.PASS
    assert [a.name for a in report.arguments] == ["x", "W"]


class Embedding:
    """No float input at all, only a parameter."""

    def __init__(self) -> None:
        self.W = np.arange(8.0).reshape(4, 2)

    def forward(self, ids: Array) -> Array:
        self.ids = ids
        out: Array = self.W[ids]
        return out

    def backward(self, g: Array) -> None:
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.ids, g)


def test_a_module_with_parameters_only() -> None:
    ids = np.array([1, 3, 1])

    report = gradcheck(Embedding(), ids, constants=("ids",))

    assert report.verdict is Verdict.PASS
    assert [a.name for a in report.arguments] == ["W"]


class Add:
    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, g: Array) -> Any:
        return g, g


class Split:
    def forward(self, x: Array) -> Any:
        return x[:, 0], x[:, 1:]

    def backward(self, first: Array, rest: Array) -> Array:
        return np.column_stack([first, rest])


class SplitTogether(Split):
    def backward(self, gs: Any) -> Array:  # type: ignore[override]
        return np.column_stack(gs)


@pytest.mark.parametrize("module", [Split(), SplitTogether()])
def test_several_outputs(module: Any) -> None:
    assert gradcheck(module, X).passed


def test_a_wrong_gradient_of_several_outputs() -> None:
    class Halved(SplitTogether):
        def backward(self, gs: Any) -> Array:  # type: ignore[override]
            return super().backward(gs) / 2

    report = gradcheck(Halved(), X)

    assert report.verdict is Verdict.WRONG
    assert "factor 1/2" in report.causes[0]


def test_several_inputs() -> None:
    assert gradcheck(Add(), X, X + 1.0).passed


class Accumulates(Linear):
    """Adds to its gradients, as PyTorch does; each check starts from the object as it was."""

    def backward(self, g: Array) -> Array:
        before = self.dW.copy()
        out = super().backward(g)
        self.dW += before
        return out


def test_accumulated_gradients_and_the_object_stay_as_they_were() -> None:
    module = Accumulates()

    report = gradcheck(module, X)

    assert report.verdict is Verdict.PASS
    assert not module.dW.any()
    assert module.x is None


class Dropout:
    """Its own generator is copied with the object, so each call drops the same."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def forward(self, x: Array) -> Array:
        self.mask = (self.rng.random(x.shape) > 0.5) * 2.0
        return np.asarray(x * self.mask)

    def backward(self, g: Array) -> Array:
        return np.asarray(g * self.mask)


def test_dropout_with_its_own_generator_is_deterministic() -> None:
    assert gradcheck(Dropout(), X).passed


# ------------------------------------------------------------------ what is refused


class TwoArguments(Linear):
    def backward(self, g: Array, more: Array) -> Array:  # type: ignore[override]
        return g


class NoArgument(Linear):
    def backward(self) -> Array:  # type: ignore[override]
        return self.W


class TooMany(Linear):
    def backward(self, g: Array) -> Any:
        return g @ self.W, g, g, g, g


class UnknownName(Linear):
    def backward(self, g: Array) -> Any:
        return {"x": g @ self.W, "weight": g}


class Locked(Linear):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class NothingToVary:
    def forward(self, ids: Array) -> Array:
        return ids * 1.0

    def backward(self, g: Array) -> None:
        return None


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (TwoArguments(), "TwoArguments.backward needs 2 arguments; the checker calls backward"),
        (NoArgument(), r"NoArgument.backward takes no argument, which fits an output of one numb"),
        (TooMany(), "TooMany.backward returned a tuple of 5: 1 for the inputs, or 3 with the par"),
        (UnknownName(), "UnknownName.backward gave a gradient for 'weight'; inputs and paramete"),
        (Locked(), r"Locked cannot be copied \(.*\), and each evaluation needs a fresh copy"),
    ],
)
def test_modules_that_cannot_be_checked(module: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gradcheck(module, X)


def test_a_module_without_floats() -> None:
    with pytest.raises(UsageError, match="NothingToVary has neither float inputs nor parameters"):
        gradcheck(NothingToVary(), np.array([1, 2]), constants=("ids",))


def test_a_class_that_needs_arguments() -> None:
    class Needs(Linear):
        def __init__(self, n_in: int) -> None:
            super().__init__(n_in)

    with pytest.raises(UsageError, match=r"Needs is a class and its constructor takes arguments"):
        gradcheck(Needs, X)


def test_a_class_that_raises_in_its_constructor() -> None:
    class Fails(Linear):
        def __init__(self) -> None:
            raise RuntimeError("no luck")

    with pytest.raises(TargetError, match="Fails raised RuntimeError: no luck"):
        gradcheck(Fails, X)


def test_kind_module_needs_the_methods() -> None:
    with pytest.raises(UsageError, match="kind='module': <lambda> has no methods forward and back"):
        gradcheck(lambda x: x, 1.0, kind="module")


def test_wrong_number_of_inputs() -> None:
    with pytest.raises(UsageError, match=r"Linear.forward\(x: .*\) .*got 2 inputs: too many"):
        gradcheck(Linear(), X, X)


def test_what_backward_raises_comes_with_its_line() -> None:
    class Fails(Linear):
        def backward(self, g: Array) -> Array:
            raise ValueError("shapes")

    with pytest.raises(TargetError, match=r"Fails raised ValueError: shapes \(at .*by_hand.py:\d+"):
        gradcheck(Fails(), X)


def test_a_wrong_gradient_of_text() -> None:
    class Text(Square):
        def backward(self, g: Array) -> Any:
            return "2x"

    with pytest.raises(UsageError, match="Text gave a gradient of type str"):
        gradcheck(Text(), X)
