"""A formula as a network: one trained weight per variable, frozen neurons for clauses (L09)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..engine import concatenate, exp, expm1, log, log_sigmoid, sigmoid, sum
from ..errors import UsageError
from ..nn.init import Rng
from .cnf import CNF

__all__ = ["SATNet", "scalar_sat_loss"]

Relaxation = Literal["product", "neuron"]
Loss = Literal["sum", "log"]


class SATNet(nn.Module):
    """The network whose training solves a formula (L09).

    The input is constant; variable v is a neuron with one weight, x_v = σ(θ_v).  A clause is a
    frozen OR over its literals, lit = x_v or 1 − x_v; the output is a frozen AND with the target 1.
    P_c is how far clause c is from holding:

    - "product": P_c = Π (1 − lit), the probability that it is violated if each variable is true
      with probability x_v, by itself;
    - "neuron": P_c = 1 − σ(gain·(Σ lit − ½)), the sigmoid OR neuron of `CNF.to_net`.

    The losses are "sum", Σ P_c, for "product" the expected number of violated clauses, and "log",
    −Σ log(1 − P_c), for "product" the negative log-probability of the output 1 that a product AND
    gives.  The sum is linear in each variable, so its least value over the cube is at a corner: the
    optimum of MaxSAT.  Training is as hard as SAT (Judd 1990; Blum & Rivest 1992).

    Parameters
    ----------
    cnf : CNF
    relax : {"product", "neuron"}
    loss : {"log", "sum"}
    restarts : int, optional
        Train so many nets side by side: θ has shape (restarts, n_variables), each row its own loss.
    gain : float
        Of the OR neurons, with "neuron".
    rng : numpy.random.Generator, int or None
        Source of the start weights, N(0, 1).

    Raises
    ------
    UsageError
        For another relaxation or loss, a formula without variables, an empty clause with the loss
        "log", or settings out of range.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> cnf = tg.logic.CNF([[1, 2], [-1, 2], [1, -2]])
    >>> net = tg.logic.SATNet(cnf, rng=0)
    >>> optimizer = tg.optim.Adam(net.parameters(), lr=0.1)
    >>> for _ in range(50):
    ...     optimizer.zero_grad()
    ...     net().backward()
    ...     optimizer.step()
    >>> net.assignment()
    array([ True,  True])
    """

    def __init__(
        self,
        cnf: CNF,
        relax: Relaxation = "product",
        loss: Loss = "log",
        *,
        restarts: int | None = None,
        gain: float = 10.0,
        rng: Rng = None,
    ) -> None:
        if relax not in get_args(Relaxation):
            raise UsageError(f'relax is "product" or "neuron", got {relax!r}')
        if loss not in get_args(Loss):
            raise UsageError(f'loss is "log" or "sum", got {loss!r}')
        if loss == "log" and any(codes.shape[1] == 0 for codes in cnf.groups):
            raise UsageError('an empty clause never holds: its "log" loss is infinite; use "sum"')
        if not cnf.n_variables:
            raise UsageError("a SATNet needs a formula of at least one variable")
        if restarts is not None and restarts < 1:
            raise UsageError(f"restarts must be at least 1, got {restarts}")
        if not 0 < gain < np.inf:
            raise UsageError(f"gain must be positive, got {gain}")
        self.cnf = cnf
        self.relax, self.loss, self.gain = relax, loss, float(gain)
        shape = (cnf.n_variables,) if restarts is None else (restarts, cnf.n_variables)
        self.theta = nn.Parameter(np.random.default_rng(rng).normal(size=shape))

    def _log_violations(self) -> list[Any]:
        """Return log P_c by groups of clauses, each of shape (..., clauses)."""
        theta = self.theta
        if self.relax == "product":  # log(1 − lit), which is log σ(∓θ)
            false = concatenate([log_sigmoid(-theta), log_sigmoid(theta)], axis=-1)
            return [sum(false[..., codes], axis=-1) for codes in self.cnf.groups]
        true = concatenate([sigmoid(theta), sigmoid(-theta)], axis=-1)
        return [
            log_sigmoid(-self.gain * (sum(true[..., codes], axis=-1) - 0.5))
            for codes in self.cnf.groups
        ]

    def violations(self) -> Any:
        """Return P_c of all clauses, shape (..., clauses), those of equal length together."""
        return concatenate([exp(logs) for logs in self._log_violations()], axis=-1)

    def forward(self) -> Any:
        """Return the loss: of shape (), or (restarts,)."""
        total: Any = 0.0 * sum(self.theta, axis=-1)  # a formula without clauses has the loss 0
        for logs in self._log_violations():
            losses = exp(logs) if self.loss == "sum" else -log(-expm1(logs))
            total = total + sum(losses, axis=-1)
        return total

    def assignment(self) -> NDArray[np.bool_]:
        """Round each variable by itself: true iff θ_v ≥ 0, the hard neuron."""
        return np.asarray(self.theta.data >= 0)

    def round_conditional(self) -> NDArray[np.bool_]:
        """Round one variable after the other, never to a larger expected number of violations.

        The method of conditional expectations (Erdős & Selfridge 1973), on Σ Π (1 − lit): where
        that is below 1, the result satisfies the formula.

        Returns
        -------
        ndarray of bool, of θ's shape
        """
        x = np.atleast_2d(1.0 / (1.0 + np.exp(-np.clip(self.theta.data, -700, 700))))
        n = self.cnf.n_variables
        false = np.concatenate([1.0 - x, x], axis=-1)
        factors = [false[:, codes] for codes in self.cnf.groups]
        result = np.zeros(x.shape, bool)
        for v in range(n):
            slope = np.zeros(len(x))  # of the expectation along x_v
            places = []
            for codes, factor in zip(self.cnf.groups, factors, strict=True):
                for code, sign in ((v, -1.0), (n + v, 1.0)):
                    rows, columns = np.nonzero(codes == code)
                    if rows.size:
                        factor[:, rows, columns] = 1.0
                        slope += sign * factor[:, rows].prod(axis=-1).sum(axis=-1)
                        places.append((factor, rows, columns, code >= n))
            result[:, v] = slope <= 0
            for factor, rows, columns, negated in places:
                factor[:, rows, columns] = (result[:, v] == negated)[:, None]
        return result.reshape(self.theta.shape)

    def extra_repr(self) -> str:
        """Settings."""
        return f"{self.cnf!r}, relax={self.relax!r}, loss={self.loss!r}"


def scalar_sat_loss(cnf: CNF, theta: Sequence[Any], loss: Loss = "log") -> Any:
    """Compute the loss of a `SATNet` ("product") clause by clause, in single scalars.

    Every literal is its own number and every product its own op, to be looked at, drawn, or lifted
    back into array operations by `tinygrad_lecture.compile`.

    Parameters
    ----------
    cnf : CNF
    theta : sequence of n_variables numbers or Values
    loss : {"log", "sum"}

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> cnf = tg.logic.CNF([[1, -2], [2]])
    >>> tg.logic.scalar_sat_loss(cnf, [0.0, 0.0], "sum")
    0.75
    """
    signs = (1.0, -1.0)
    false = {
        s * v: log_sigmoid(-s * t) for v, t in enumerate(theta, 1) for s in signs
    }  # 1 − lit is σ(−s·θ)
    total: Any = 0.0
    for clause in cnf.clauses:
        logs: Any = 0.0
        for literal in clause:
            logs = logs + false[literal]
        total = total + (exp(logs) if loss == "sum" else -log(-expm1(logs)))
    return total
