"""What a gradient looks like with one mistake in the backward pass, made on purpose.

A value that is used k times receives k contributions, and its adjoint is their sum (L10).  Written
by hand, the sum is easily replaced by the last contribution: ``=`` for ``+=``.  As easily the local
derivative of an activation is forgotten, 1 − y² of tanh say.  If the function takes Values, its
record tells all contributions, so both mistakes can be made and the results compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_lecture.engine import sweep
from tinygrad_lecture.engine.tape import Tape
from tinygrad_lecture.engine.value import Value

from .numeric import Array

_LONGEST = 2000
_MOST = 40


def mistaken_gradients(
    output: Value, seed: Any, leaves: Sequence[Value], names: Sequence[str]
) -> Iterator[tuple[str, list[Array]]]:
    """Yield the gradients with one use of a value counted alone, or one derivative forgotten.

    Parameters
    ----------
    output : Value
        The result.
    seed : float or ndarray
        Its adjoint.
    leaves : sequence of Value
        The arguments.
    names : sequence of str
        Their names.

    Yields
    ------
    description : str
        The mistake.
    gradients : list of ndarray
        The gradients of the leaves.
    """
    tape = Tape(output)
    if len(tape) > _LONGEST:
        return
    uses = Counter(operand._n for v in tape.values for _, operand in sweep.tracked(v))
    called = {leaf._n: name for leaf, name in zip(leaves, names, strict=True)}

    def gradients(found: dict[int, Any]) -> list[Array]:
        return [np.broadcast_to(np.asarray(found.get(x._n, 0.0)), x.shape) for x in leaves]

    reused = [v for v in tape.values if uses[v._n] > 1]
    for v in reused[:_MOST]:
        what = called.get(v._n) or f"the result of {v._op.name if v._op else 'a constant'}"
        for number in range(uses[v._n]):
            text = f"= for +=: {what} is used {uses[v._n]} times and only one use is counted"
            yield text, gradients(_adjoints(tape, output, seed, v._n, number))
    for v in [v for v in tape.values if _has_slope(v)][:_MOST]:
        text = f"the derivative of {v._op.name} is forgotten"
        yield text, gradients(_adjoints(tape, output, seed, passed=v._n))


def _has_slope(v: Value) -> bool:
    """Whether a value is a function of one other, element by element, whose slope is not ±1."""
    op = v._op
    return (
        op is not None
        and op.arity == len(op.partials) == 1
        and not (set(op.derivatives) & {"1.0", "-1.0"})
    )


def _adjoints(
    tape: Tape, output: Value, seed: Any, only: int = -1, number: int = 0, passed: int = -1
) -> dict[int, Any]:
    """Run the backward pass with one mistake.

    Of the contributions to the value `only` just one counts, and the value `passed` hands on its
    adjoint as it is.
    """
    totals: dict[int, Any] = {output._n: seed}
    met = 0
    with np.errstate(all="ignore"):
        for v in reversed(tape.values):
            if v._op is None or v._n not in totals:
                continue
            for k, operand in sweep.tracked(v):
                if operand._n == only:
                    met += 1
                    if met - 1 != number:
                        continue
                total = totals[v._n]
                part = total if v._n == passed else sweep.contribution(v, k, total)
                n = operand._n
                totals[n] = totals[n] + part if n in totals else part
    return totals
