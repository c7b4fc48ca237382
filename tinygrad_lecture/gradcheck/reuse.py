"""What a gradient looks like if one contribution of a reused value was lost: ``=`` for ``+=``.

A value that is used k times receives k contributions, and its adjoint is their sum (L10).  Written
by hand, the sum is easily replaced by the last contribution.  If the function takes Values, its
record tells all contributions, so the mistake can be made on purpose and the result compared.
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


def lost_contributions(
    output: Value, seed: Any, leaves: Sequence[Value], names: Sequence[str]
) -> Iterator[tuple[str, list[Array]]]:
    """Yield, for each use of a reused value, the gradient in which only this use counts.

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
        The value and the use.
    gradients : list of ndarray
        The gradients of the leaves.
    """
    tape = Tape(output)
    if len(tape) > _LONGEST:
        return
    uses = Counter(operand._n for v in tape.values for _, operand in sweep.tracked(v))
    called = {leaf._n: name for leaf, name in zip(leaves, names, strict=True)}
    reused = [v for v in tape.values if uses[v._n] > 1]
    for v in reused[:_MOST]:
        what = called.get(v._n) or f"the result of {v._op.name if v._op else 'a constant'}"
        for number in range(uses[v._n]):
            found = _adjoints(tape, output, seed, v._n, number)
            gradients = [
                np.broadcast_to(np.asarray(found.get(leaf._n, 0.0)), leaf.shape) for leaf in leaves
            ]
            yield f"{what} is used {uses[v._n]} times and only one use is counted", gradients


def _adjoints(tape: Tape, output: Value, seed: Any, only: int, number: int) -> dict[int, Any]:
    """Run the backward pass, keeping one contribution of one value."""
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
                part = sweep.contribution(v, k, totals[v._n])
                n = operand._n
                totals[n] = totals[n] + part if n in totals else part
    return totals
