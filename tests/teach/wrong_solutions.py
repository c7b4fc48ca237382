"""Typical errors of students, as edits of the right solutions, and what they have to be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOLUTIONS = Path(__file__).parent / "solutions"


@dataclass(frozen=True)
class Wrong:
    """An error: replacements in the right solution, and the key phrase of the diagnosis."""

    name: str
    edits: tuple[tuple[str, str], ...]
    phrase: str


def solution(exercise: str) -> str:
    return (SOLUTIONS / f"{exercise}.txt").read_text()


def wrong_source(exercise: str, wrong: Wrong) -> str:
    source = solution(exercise)
    for old, new in wrong.edits:
        assert old in source, f"{exercise}, {wrong.name}: {old!r} is not in the solution"
        source = source.replace(old, new)
    return source


def w(name: str, phrase: str, *edits: tuple[str, str]) -> Wrong:
    return Wrong(name, edits, phrase)


WRONG: dict[str, list[Wrong]] = {
    "perceptron": [
        w("moves away from the answer", "the sign of the update", ("theta - self.lr * (o - y)", "theta + self.lr * (o - y)")),
        w("step above 0 only", "Γ(0) = 1: the step is taken at θᵀx ≥ 0", (">= 0", "> 0")),
        w("no learning rate", "the learning rate is missing", ("self.lr * (o - y)", "(o - y)")),
        w("delta rule", "that is the delta rule", ("o = self.forward(x)\n        if o != y:\n            self", "o = x @ self.theta\n        if True:\n            self")),
        w("Hebb", "θ changes also where the answer is right", ("        if o != y:\n            self.theta = self.theta - self.lr * (o - y) * x", "        self.theta = self.theta + self.lr * y * x")),
        w("labels -1 and 1", "the outputs are −1 and 1", ("1, 0)", "1, -1)")),
        w("no step", "the step Γ is missing", ("np.where(X @ self.theta >= 0, 1, 0)", "X @ self.theta")),
        w("mistakes of the last epoch", "the mistakes of the last epoch alone", ("total += mistakes", "total = mistakes")),
        w("one epoch", "it stops after one epoch", ("if mistakes == 0:", "if True:")),
        w("writes into theta", "it writes into theta", ("self.theta = self.theta - self.lr * (o - y) * x", "self.theta -= self.lr * (o - y) * x")),
        w("learns from y = 1 only", "learns from mistakes with y = 1 only", ("if o != y:\n", "if o < y:\n")),
    ],
    "linear": [
        w("W not transposed", "W is not transposed", ("x @ self.W.T", "x @ self.W")),
        w("no bias", "the bias b is missing", (" + self.b", "")),
        w("dW transposed", "transpose: dL/dW = grad_output.T @ x", ("grad_output.T @ self.x", "self.x.T @ grad_output")),
        w("db not summed", "missing sum over axis 0: the bias is added to every row", ("np.sum(grad_output, axis=0)", "grad_output")),
        w("db summed away", "one number for a whole array", ("np.sum(grad_output, axis=0)", "np.sum(grad_output)")),
        w("dW averaged", "a mean over 5 where the function has a sum", ("grad_output.T @ self.x", "grad_output.T @ self.x / len(self.x)")),
        w("dx by W.T", "W is transposed once too often", ("return grad_output @ self.W", "return grad_output @ self.W.T")),
        w("adds up", "they add up from call to call", ("self.W, self.b = W, b", "self.W, self.b = W, b\n        self.dW = np.zeros_like(W)"), ("self.dW = grad_output.T", "self.dW += grad_output.T")),
        w("sign", "sign: minus the gradient is right", ("return grad_output @ self.W", "return -grad_output @ self.W")),
        w("no gradient of b", "no gradient of b is found: store it as self.db", ("self.db = ", "self.wrong_name = ")),
        w("float64 for float32", "float64 comes out where float32 went in", ("return x @ self.W.T + self.b", "out = np.zeros((len(x), len(self.b)))\n        out += x @ self.W.T + self.b\n        return out")),
        w("writes into the gradient", "it writes into grad_output", ("return grad_output @ self.W", "grad_output *= 2\n        return grad_output @ self.W / 2")),
    ],
    "tanh": [
        w("of the input", "1 − x² of the input", ("self.y = np.tanh(x)\n        return self.y", "self.y = x\n        return np.tanh(x)")),
        w("square forgotten", "1 − y: the square is missing", ("self.y**2", "self.y")),
        w("derivative of sigmoid", "y (1 − y) is the derivative of the logistic function", ("(1 - self.y**2)", "self.y * (1 - self.y)")),
        w("grad_output not used", "grad_output is not used", ("grad_output * (1", "(1")),
        w("overflow", "nan or inf: an overflow", ("np.tanh(x)", "(np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)")),
        w("sigmoid", "this is the logistic function", ("np.tanh(x)", "1 / (1 + np.exp(-x))")),
        w("tanh twice", "tanh is applied twice", ("self.y**2", "np.tanh(self.y)**2")),
        w("sum", "grad_output is added, and the chain rule multiplies", ("grad_output * (1", "grad_output + (1")),
        w("sign", "sign: minus the gradient is right", ("(1 - self.y**2)", "(self.y**2 - 1)")),
    ],
    "softmax_cross_entropy": [
        w("no shift", "nan or inf: an overflow", ("logits - logits.max(axis=1, keepdims=True)", "logits")),
        w("sum for mean", "the sum over the rows, and the mean is asked for", ("losses.mean()", "losses.sum()")),
        w("no mean", "the mean is missing", ("losses.mean()", "losses")),
        w("1/N forgotten", "the factor 1/N of the mean is missing", ("return gradient / len(gradient)", "return gradient")),
        w("label minus softmax", "the sign: (softmax − onehot)/N", ("return gradient", "return -gradient")),
        w("one-hot forgotten", "1 is not subtracted at the labels", ("-= 1", "-= 0")),
        w("over the batch", "softmax over axis 0", ("axis=1", "axis=0"), ("total[:, 0]", "total[0, labels]")),
        w("log2", "logarithm to base 2", ("losses.mean()", "losses.mean() / np.log(2)")),
        w("sign of the loss", "the sign: −log p is the loss", ("return losses.mean()", "return -losses.mean()")),
        w("by the size", "divided by all N·C numbers", ("/ len(gradient)", "/ gradient.size")),
        w("spoils what forward keeps", "they add up from call to call", ("gradient = self.p.copy()", "self.p = gradient = getattr(self, 'kept', self.p)\n        self.kept = self.p")),
    ],
    "backprop": [
        w("= for +=", "= for +=", ("] += adjoints", "] = adjoints")),
        w("forward order", "from the first to the last", ("range(len(entries) - 1, -1, -1)", "range(len(entries))")),
        w("no seed", "it starts with 1", ("adjoints[-1] = 1.0", "adjoints[-1] = 0.0")),
        w("sum of derivatives", "added along the way, and the chain rule multiplies", ("adjoints[k] * local", "adjoints[k] + local")),
        w("local derivatives alone", "the adjoint of the entry is not used", ("adjoints[k] * local", "local")),
        w("all start with 1", "every adjoint starts with 1", ("[0.0] * len", "[1.0] * len")),
        w("x·x once", "one input that an operation uses twice", ("in entries[k]:", "in dict(entries[k]).items():")),
        w("recursion", "an entry hands on its adjoint before", ("    for k in range(len(entries) - 1, -1, -1):\n        for number, local in entries[k]:\n            adjoints[number] += adjoints[k] * local\n    return", "    def visit(k):\n        for number, local in entries[k]:\n            adjoints[number] += adjoints[k] * local\n            visit(number)\n    visit(len(entries) - 1)\n    return")),
        w("right recursion, too deep", "calls go too deep, use a loop", ("    for k in range(len(entries) - 1, -1, -1):\n        for number, local in entries[k]:\n            adjoints[number] += adjoints[k] * local\n    return", "    def back(k):\n        for number, local in entries[k]:\n            adjoints[number] += adjoints[k] * local\n        if k:\n            back(k - 1)\n    back(len(entries) - 1)\n    return")),
        w("reversed list", "comes back in reverse order", ("return adjoints", "return adjoints[::-1]")),
    ],
    "momentum": [
        w("up the hill", "the steps go up the gradient", ("- self.lr * grad", "+ self.lr * grad")),
        w("no memory", "the velocity starts at 0 again in each step", ("self.momentum * self.v -", "self.momentum * 0.0 -")),
        w("damped", "the gradient is damped by 1 − μ", ("- self.lr * grad", "- (1 - self.momentum) * self.lr * grad")),
        w("PyTorch", "PyTorch's form", ("- self.lr * grad", "+ grad"), ("theta + self.v", "theta - self.lr * self.v")),
        w("shared", "belongs to the class (or is global)", ("        self.v = 0.0\n", ""), ("class Momentum:\n", "class Momentum:\n    memory = {}\n\n"), ("self.v = self.momentum * self.v", "v = self.memory.get(grad.shape if hasattr(grad, 'shape') else 0, 0.0)\n        self.v = self.momentum * v"), ("        return", "        self.memory[grad.shape if hasattr(grad, 'shape') else 0] = self.v\n        return")),
        w("writes into theta", "it writes into theta", ("return theta + self.v", "theta += self.v\n        return theta")),
        w("momentum of theta", "μ multiplies θ itself", ("return theta + self.v", "return self.momentum * theta - self.lr * grad")),
        w("no decay", "the velocity never shrinks", ("self.momentum * self.v", "self.v")),
        w("Nesterov", "this is Nesterov's form", ("theta + self.v", "theta + self.momentum * self.v - self.lr * grad")),
        w("returns the step", "right up to point", ("return theta + self.v", "self.n = getattr(self, 'n', 0) + 1\n        return theta + self.v * (1 if self.n < 3 else 0.5)")),
    ],
    "nesterov": [
        w("heavy ball", "lookahead returns θ itself", ("return theta + self.momentum * self.v", "return theta")),
        w("looks back", "lookahead goes back instead of ahead", ("return theta + self.momentum * self.v", "return theta - self.momentum * self.v")),
        w("looks too far", "lookahead goes the whole way V", ("return theta + self.momentum * self.v", "return theta + self.v")),
        w("starts ahead", "the step starts at the point ahead", ("        self.v = self.momentum * self.v - self.lr * grad\n        return theta + self.v", "        theta = self.lookahead(theta)\n        self.v = self.momentum * self.v - self.lr * grad\n        return theta + self.v")),
        w("PyTorch", "PyTorch's form", ("        return theta + self.v", "        return theta + self.momentum * self.v - self.lr * grad")),
        w("looks ahead again", "the step looks ahead once more", ("        return theta + self.v", "        return theta + self.v + self.momentum * self.v")),
        w("up the hill", "the steps go up the gradient", ("- self.lr * grad", "+ self.lr * grad")),
        w("no memory", "the velocity starts at 0 again", ("self.v = self.momentum * self.v - self.lr * grad\n        return theta + self.v", "return theta - self.lr * grad")),
        w("no μV", "μV is missing in the new velocity", ("self.momentum * self.v - self.lr", "-self.lr")),
        w("no lookahead", "there is no lookahead", ("def lookahead", "def look_ahead")),
    ],
    "rmsprop": [
        w("ε inside", "ε stands inside of the root", ("np.sqrt(self.r) + self.eps", "np.sqrt(self.r + self.eps)")),
        w("exchanged", "α and 1 − α are exchanged", ("self.alpha * self.r + (1 - self.alpha)", "(1 - self.alpha) * self.r + self.alpha")),
        w("not squared", "the gradient is not squared", ("grad**2", "abs(grad)")),
        w("no root", "the root is missing", ("np.sqrt(self.r)", "self.r")),
        w("starts at 1", "r starts at 1", ("self.r = 0.0", "self.r = 1.0")),
        w("Adagrad", "that is Adagrad", ("self.alpha * self.r + (1 - self.alpha) * grad**2", "self.r + grad**2")),
        w("corrected", "that is Adam's correction", ("self.r = 0.0", "self.r = 0.0\n        self.t = 0"), ("        return", "        self.t += 1\n        return"), ("np.sqrt(self.r)", "np.sqrt(self.r / (1 - self.alpha**self.t))")),
        w("no memory", "r starts at 0 again in each step", ("self.alpha * self.r + ", "")),
        w("no ε", "ε is missing: g / (√r + ε)", (" + self.eps", "")),
        w("up the hill", "the steps go up the gradient", ("theta - self.lr", "theta + self.lr")),
        w("writes into grad", "it writes into grad", ("        self.r = self.alpha", "        grad *= 1.0 + 1e-12\n        self.r = self.alpha")),
    ],
    "adam": [
        w("no correction", "the bias correction is missing", (" / (1 - b1**self.t)", ""), (" / (1 - b2**self.t)", "")),
        w("m not corrected", "the bias correction of m is missing", (" / (1 - b1**self.t)", "")),
        w("v not corrected", "the bias correction of v is missing", (" / (1 - b2**self.t)", "")),
        w("t from 0", "t starts at 0", ("        self.t += 1\n", ""), ("        return", "        self.t += 1\n        return"), ("        b1, b2 = self.betas\n", "        b1, b2 = np.array(self.betas)\n")),
        w("t stays 1", "t stays 1 in the bias correction", ("self.t += 1", "self.t = 1")),
        w("betas exchanged", "β₁ and β₂ are exchanged", ("b1, b2 = self", "b2, b1 = self")),
        w("ε inside", "ε stands inside of the root", ("np.sqrt(v) + self.eps", "np.sqrt(v + self.eps)")),
        w("no root", "the root is missing", ("np.sqrt(v)", "v")),
        w("no ε", "ε is missing: m̂ / (√v̂ + ε)", (" + self.eps", "")),
        w("no memory", "m and v start at 0 again", ("self.t += 1", "self.t = 1\n        self.m = self.v = 0.0")),
        w("not squared", "the gradient is not squared", ("grad**2", "abs(grad)")),
        w("up the hill", "the steps go up the gradient", ("theta - self.lr", "theta + self.lr")),
        w("division by 0 raises", "t starts at 0", ("        self.t += 1\n", ""), ("        return", "        self.t += 1\n        return")),
    ],
    "batch_norm": [
        w("unbiased variance", "the unbiased variance (1/(N−1)) is used", ("x.var(axis=0)\n", "x.var(axis=0, ddof=1)\n")),
        w("ε outside", "ε stands outside of the root", ("self.std = np.sqrt(var + self.eps)", "self.std = np.sqrt(var) + self.eps")),
        w("per row", "statistics of each row", ("x.mean(axis=0), x.var(axis=0)\n        m, n", "x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)\n        m, n")),
        w("no affine", "gamma and beta are missing", ("return self.gamma * self.x_hat + self.beta", "return self.x_hat")),
        w("constants", "mean and variance are taken for constants", ("(d - through_mean - through_var)", "d")),
        w("no way by the variance", "the way by the variance is missing", (" - through_var)", ")")),
        w("no way by the mean", "the way by the mean is missing", ("d - through_mean -", "d -")),
        w("gamma forgotten", "gamma is missing on the way back", ("d = grad_output * self.gamma", "d = grad_output")),
        w("dgamma not summed", "missing sum over axis 0: gamma is used in every row", ("(grad_output * self.x_hat).sum(axis=0)", "grad_output * self.x_hat")),
        w("biased stored", "the biased variance is stored", (" * n / (n - 1)", "")),
        w("momentum the other way round", "yours is the other way round", ("m, n = self.momentum, len(x)", "m, n = 1 - self.momentum, len(x)")),
        w("batch statistics in inference", "the statistics of the batch are used in inference", ("if not training:", "if training is None:")),
        w("no root", "the root is missing: divided by the variance", ("self.std = np.sqrt(var + self.eps)", "self.std = var + self.eps")),
    ],
    "maxout": [
        w("mean of the pieces", "the mean of the pieces", ("return z.max(axis=1)", "return z.mean(axis=1)")),
        w("no bias", "the biases are missing", (", self.W) + self.b\n", ", self.W)\n")),
        w("to all pieces", "the gradient goes to all pieces", ("self.mask = np.arange(len(self.W))[None, :, None] == winner[:, None, :]", "self.mask = np.ones_like(z)")),
        w("split", "the gradient is split among the pieces", ("self.mask = np.arange(len(self.W))[None, :, None] == winner[:, None, :]", "self.mask = np.ones_like(z) / len(self.W)")),
        w("ReLU mask", "the gradient goes to the positive pieces", ("self.mask = np.arange(len(self.W))[None, :, None] == winner[:, None, :]", "self.mask = z > 0")),
        w("ties", "of equal pieces, each gets the gradient", ("self.mask = np.arange(len(self.W))[None, :, None] == winner[:, None, :]", "self.mask = z == z.max(axis=1, keepdims=True)")),
        w("db not summed", "missing sum over axis 0", ("d.sum(axis=0)", "d")),
        w("smallest", "the smallest of the pieces", ("return z.max(axis=1)", "return z.min(axis=1)")),
        w("ReLU behind", "maxout has no ReLU behind it", ("return z.max(axis=1)", "return np.maximum(z.max(axis=1), 0)")),
        w("argmin", "argmin for argmax", ("z.argmax(axis=1)", "z.argmin(axis=1)")),
        w("pieces behind outputs", "the shape is 4×2×3 and should be 2×4×3", ("self.dW = np.einsum(\"nko,ni->koi\", d, self.x)", "self.dW = np.einsum(\"nko,ni->oki\", d, self.x)")),
    ],
    "residual": [
        w("no shortcut", "the shortcut is missing: y = x + F(x)", ("return x + self.h", "return self.h")),
        w("no shortcut back", "the shortcut is missing on the way back", ("return grad_output + d @", "return d @")),
        w("shortcut alone", "the gradient of the shortcut alone", ("return grad_output + d @ self.W1", "return grad_output")),
        w("product", "contributions of two uses add up", ("return grad_output + d @ self.W1", "return grad_output * (d @ self.W1)")),
        w("no derivative of tanh", "the derivative of tanh, 1 − h², is missing", (" * (1 - self.h**2)", "")),
        w("square forgotten", "the derivative of tanh is 1 − h², and 1 − h is used", ("self.h**2)", "self.h)")),
        w("tanh behind", "tanh is applied behind the sum as well", ("return x + self.h @ self.W2.T + self.b2", "return np.tanh(x + self.h @ self.W2.T + self.b2)")),
        w("no activation", "the activation tanh inside of F is missing", ("np.tanh(x @ self.W1.T + self.b1)", "x @ self.W1.T + self.b1")),
        w("db2 not summed", "missing sum over axis 0", ("self.db2 = grad_output.sum(axis=0)", "self.db2 = grad_output")),
        w("dW2 transposed", "transpose", ("grad_output.T @ self.h", "self.h.T @ grad_output")),
        w("writes into x", "it writes into x", ("return x + self.h @ self.W2.T + self.b2", "self.x = x.copy()\n        x += self.h @ self.W2.T + self.b2\n        return x")),
    ],
}  # fmt: skip
