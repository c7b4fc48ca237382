"""`LRScheduler`: a pure function of the step, worn as PyTorch's scheduler."""

from __future__ import annotations

import copy
import warnings
from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import plots
from .._checks import check_count, check_number
from ..optimizer import Group, Optimizer

__all__ = ["LRScheduler", "Scheduler"]


class Scheduler(ABC):  # noqa: B024 - what `step` takes differs, so it is not declared here
    """What all schedules share: the optimizer, the rates it began with, state.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups keep the rate that they began with as ``group["initial_lr"]``.
    last_epoch : int
        Steps taken before, minus one: −1 begins anew.

    Attributes
    ----------
    base_lrs : list of float
        Rates that the groups began with.
    last_epoch : int
        Steps taken, PyTorch's name (whether they are epochs or batches is up to the caller).
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = self._checked(optimizer)
        check_count(self._name, "last_epoch", last_epoch, -1)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f'{self._name}: last_epoch={last_epoch} needs group["initial_lr"], which group'
                    f" {number} lacks; load the optimizer's state first, or leave last_epoch out"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        self._last_lr = self._rates()
        self._warned = False

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _checked(self, optimizer: Any) -> Optimizer:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{self._name}: optimizer must be an optimizer of tg.optim, got"
                f" {type(optimizer).__name__}"
            )
        if "lr" not in optimizer.defaults:
            raise TypeError(
                f"{self._name}: {type(optimizer).__name__} has no learning rate to schedule"
            )
        return optimizer

    def _rates(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _per_group(self, name: str, value: Any, low: float = 0.0) -> list[float]:
        """Return a setting that is given once for all groups, or once for each."""
        groups = len(self.optimizer.param_groups)
        if not isinstance(value, (list, tuple)):
            value = [value] * groups
        if len(value) != groups:
            raise ValueError(
                f"{self._name}: {name} has {len(value)} numbers for {groups} parameter groups; give"
                " one number, or one for each group"
            )
        return [check_number(self._name, name, x, low) for x in value]

    def _put(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Write settings into the groups."""
        groups = self.optimizer.param_groups
        if len(settings) != len(groups):
            raise ValueError(
                f"{self._name}: the optimizer has {len(groups)} parameter groups now, the schedule"
                f" was made for {len(settings)}; make it after the last add_param_group()"
            )
        for group, new in zip(groups, settings, strict=True):
            group.update(new)
        self._last_lr = self._rates()

    def get_last_lr(self) -> list[float]:
        """Return the rates that the schedule gave last, one for each parameter group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return settings and position as plain data (functions are left out).

        Returns
        -------
        dict
            Without the optimizer, whose own state holds the rates as well.
        """
        kept = {
            key: value
            for key, value in vars(self).items()
            if key not in ("optimizer", "_warned") and _is_plain(value)
        }
        return copy.deepcopy(kept)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, and put the rates of that step into the groups.

        Raises
        ------
        ValueError
            If it is the state of another kind of schedule, or one for another number of groups;
            nothing is changed then.
        """
        self._check_state(state)
        self._take(state)
        self._restore()

    def _check_state(self, state: Mapping[str, Any]) -> None:
        own = self.state_dict()
        if set(state) != set(own):
            raise ValueError(
                f"{self._name}: the state has {', '.join(sorted(state))}, this schedule has"
                f" {', '.join(sorted(own))}: it is of another kind"
            )
        groups = len(self.optimizer.param_groups)
        if len(state["base_lrs"]) != groups:
            raise ValueError(
                f"{self._name}: the state is for {len(state['base_lrs'])} parameter groups, the"
                f" optimizer has {groups}"
            )
        check_count(self._name, "last_epoch", state["last_epoch"], 0)

    def _take(self, state: Mapping[str, Any]) -> None:
        vars(self).update(copy.deepcopy(dict(state)))

    def _restore(self) -> None:
        """Write what was loaded into the groups."""
        self._put([{"lr": lr} for lr in self._last_lr])

    def extra_repr(self) -> str:
        """Settings for the repr."""
        hidden = ("base_lrs", "last_epoch")
        settings = {key: x for key, x in self.state_dict().items() if not key.startswith("_")}
        return ", ".join(f"{key}={x!r}" for key, x in settings.items() if key not in hidden)

    def __repr__(self) -> str:
        return f"{self._name}({self.extra_repr()}; step {self.last_epoch}, lr {self._last_lr})"


class LRScheduler(Scheduler):
    """Base of the schedules that are a function of the step: PyTorch's interface over `lr_at`.

    A subclass writes one formula: `rate`, the rate at step t of a group that began with ``base``;
    or `lr_at`, if groups differ in more than that; or `settings_at`, if it moves other settings
    too.  The object then

    - puts the rates of step 0 into the groups when it is made, and those of the next step at each
      `step`, which is called after ``optimizer.step()``: once a batch or once an epoch, whatever t
      is meant to count;
    - can be looked at without an optimizer moving: ``lrs(100)`` is the curve.

    Differs from PyTorch in one thing: a rate that is written into ``group["lr"]`` between steps is
    replaced by the formula's (with one warning), where some of PyTorch's schedules multiply on.
    Combine schedules by `SequentialLR` or `ChainedScheduler`.

    Inside of a function under `tg.compile` a schedule is not stepped (its count is no number of
    the program); it is stepped beside it, and the program reads the new rate in its next call.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` it writes to.
    last_epoch : int
        Steps taken before, minus one: −1 begins anew.

    Raises
    ------
    TypeError
        If ``optimizer`` is something else.
    ValueError
        If ``last_epoch`` is not −1 and a group has no ``"initial_lr"``.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> class Halving(tg.optim.lr_scheduler.LRScheduler):
    ...     def rate(self, t, base):
    ...         return base / 2**t
    >>> optimizer = tg.optim.SGD([tg.Value(0.0)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> scheduler.step()
    >>> optimizer.param_groups[0]["lr"], scheduler.get_last_lr()
    (0.5, [0.5])
    >>> scheduler.lrs(4)
    array([1.   , 0.5  , 0.25 , 0.125])
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch)
        self._restore()

    def rate(self, t: int, base: float) -> float:
        """Rate at step t ≥ 0 of a group that began with ``base``."""
        raise NotImplementedError(f"{self._name} has to define rate(t, base) or lr_at(t)")

    def lr_at(self, t: int) -> list[float]:
        """Rates of all groups at step t ≥ 0; nothing is changed by asking."""
        return [float(self.rate(t, base)) for base in self.base_lrs]

    def settings_at(self, t: int) -> list[Group]:
        """All settings that the schedule gives to the groups at step t ≥ 0."""
        return [{"lr": lr} for lr in self.lr_at(t)]

    def lrs(self, n: int, group: int = 0) -> NDArray[np.float64]:
        """Rates of one group at the steps 0 to n − 1: the curve, of shape (n,)."""
        count = check_count(self._name, "n", n, 0)
        return np.array([self.lr_at(t)[group] for t in range(count)], np.float64)

    def plot(self, n: int, **options: Any) -> Any:
        """Return a figure of the rates, and of the momentum if it moves, at the steps 0 to n − 1.

        It is `tinygrad_lecture.plots.schedule`, with its ``options``.
        """
        return plots.schedule(self, n, **options)

    def step(self) -> None:
        """Go on to the next step; call it after ``optimizer.step()``.

        Warns
        -----
        RuntimeWarning
            Once, if somebody else has changed a rate since, which is replaced now.
        """
        if not self._warned and (now := self._rates()) != self._last_lr:
            self._warned = True
            warnings.warn(
                f"{self._name}.step(): the lr of the groups was changed from {self._last_lr} to"
                f" {now} since the last step; the schedule replaces it by its own. Change"
                " scheduler.base_lrs, or combine schedules by SequentialLR or ChainedScheduler",
                RuntimeWarning,
                stacklevel=2,
            )
        self.last_epoch += 1
        self._restore()

    def _restore(self) -> None:
        self._put(self.settings_at(self.last_epoch))


def momentum_setting(group: Group, momentum: float) -> Group:
    """Return the setting that is the momentum of a group: ``momentum``, or the first of betas."""
    return {"betas": (momentum, group["betas"][1])} if "betas" in group else {"momentum": momentum}


def check_momentum(owner: str, optimizer: Optimizer) -> None:
    """Refuse optimizers without momentum."""
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(
            f"{owner}: {type(optimizer).__name__} has no momentum to move (neither a setting"
            ' "momentum" nor "betas")'
        )


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
