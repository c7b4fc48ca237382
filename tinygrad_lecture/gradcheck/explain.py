"""The evidence for a cause, gathered from a problem and its results."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_lecture.engine.value import Value

from .arguments import Argument
from .causes import Evidence, likely_cause
from .inspector import BRANCHES
from .modules import ModuleProblem
from .numeric import Array
from .parameters import GRADIENT_NAMES
from .problem import NotTraceable, Problem
from .report import ArgumentResult, Coordinate, shape_text
from .reuse import mistaken_gradients
from .values import ValuesProblem
from .verdicts import Verdict


def explain(
    problem: Problem, claimed: Sequence[Any], cotangent: Array, results: list[ArgumentResult]
) -> list[ArgumentResult]:
    """Return the results with likely causes for the arguments with a wrong gradient.

    Parameters
    ----------
    problem : Problem
        What was examined.
    claimed : sequence of ndarray
        Its gradients.
    cotangent : ndarray
        For which weights of the outputs.
    results : list of ArgumentResult
        What was found.
    """
    names = [a.name for a in problem.arguments]
    explained = []
    for r in results:
        if r.verdict is Verdict.WRONG and not r.cause and r.coordinates:
            cause = _kink_cause(problem, r)
            if not cause:
                k = names.index(r.name)
                found = {_flat(c, r.shape): c for c in r.coordinates}
                evidence = _evidence(problem, k, claimed[k], found)
                cause = likely_cause(
                    replace(
                        evidence,
                        others=_others(r, results, evidence.indices),
                        with_ones=_with_ones(problem, k, cotangent),
                        lost=functools.partial(_lost, problem, k, cotangent),
                    )
                )
            r = replace(r, cause=cause)
        explained.append(r)
    return explained


def explain_missing(argument: Argument) -> tuple[str, str]:
    """Return cause and remark for an argument without a gradient that the output depends on."""
    name = argument.name.rsplit(".", 1)[-1]
    looked = ", ".join(pattern.format(name) for pattern in GRADIENT_NAMES[:3])
    return (
        "no gradient is given: a return or an assignment is missing",
        f"looked for a returned gradient, for {looked} and for grads[{name!r}]; if it is a "
        f"constant, say constants=({argument.name!r},) or --constant {argument.name}",
    )


def explain_shape(
    problem: Problem, k: int, claimed: Array, found: Mapping[int, Coordinate]
) -> tuple[str, str]:
    """Return cause and remark for a gradient of another shape than its argument."""
    return likely_cause(_evidence(problem, k, claimed, found)), (
        f"your gradient has the shape {shape_text(claimed.shape)}, the argument "
        f"{shape_text(problem.arguments[k].shape)}"
    )


def _evidence(
    problem: Problem, k: int, claimed: Array, found: Mapping[int, Coordinate]
) -> Evidence:
    return Evidence(
        point=problem.arguments[k].value,
        claimed=claimed,
        indices=np.array(list(found), dtype=np.intp),
        numeric=np.array([c.numeric for c in found.values()]),
        lengths=_lengths(problem),
        tracked=isinstance(problem, ValuesProblem),
    )


def _kink_cause(problem: Problem, r: ArgumentResult) -> str:
    if not any(c.remark == BRANCHES for c in r.coordinates):
        return ""
    ops = ", ".join(getattr(problem, "branches", []))
    return (
        f"the point is at a kink of {ops}, and the conventions for the derivatives there do not "
        "add up to the slope"
    )


def _lengths(problem: Problem) -> frozenset[int]:
    """Return the lengths and sizes of all inputs and outputs: what a mean may divide by."""
    shapes = [a.shape for a in problem.arguments] + list(problem.shapes or [])
    shapes += [tree.shape for tree in problem.inputs.trees if isinstance(tree, np.ndarray)]
    return frozenset(n for shape in shapes for n in (*shape, math.prod(shape)))


def _flat(c: Coordinate, shape: tuple[int, ...]) -> int:
    return int(np.ravel_multi_index(c.index, shape)) if shape else 0


def _others(
    r: ArgumentResult, results: Iterable[ArgumentResult], indices: Array
) -> dict[str, Array]:
    """Return the numeric gradients of the other arguments of this shape."""
    found = {}
    for other in results:
        if other.name != r.name and other.shape == r.shape:
            known = {_flat(c, other.shape): c.numeric for c in other.coordinates}
            found[other.name] = np.array([known.get(int(i), math.nan) for i in indices])
    return found


def _with_ones(problem: Problem, k: int, cotangent: Array) -> Array | None:
    """Return the gradient for a grad_output of ones, to see whether it is used at all."""
    if cotangent.size < 2 or not isinstance(problem, ModuleProblem):
        return None
    gradient: Array | None = problem.gradient(problem.point, np.ones(cotangent.size))[k]
    return gradient


def _lost(problem: Problem, k: int, cotangent: Array) -> Iterable[tuple[str, Array]]:
    """Yield gradients of argument k with one mistake made, if the function takes Values."""
    try:
        output, leaves = problem.trace()
    except NotTraceable:
        return
    if not isinstance(output, Value) or output.size != cotangent.size:
        return
    seed = cotangent.reshape(output.shape) if output.shape else float(cotangent[0])
    names = [a.name for a in problem.arguments]
    for description, gradients in mistaken_gradients(output, seed, leaves, names):
        yield description, gradients[k]
