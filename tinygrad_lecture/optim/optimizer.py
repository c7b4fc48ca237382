"""`Optimizer`: parameter groups, state and the checks that all optimizers share."""

from __future__ import annotations

import copy
import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import Value
from ..engine.modes import TRACING, recorder
from ..nn.hooks import RemovableHandle

__all__ = ["Optimizer"]

Group = dict[str, Any]
Params = Iterable[Value | Group]


def decayed(g: Any, theta: Any, decay: Any) -> Any:
    """Return the gradient with that of the weight decay, λ/2 ‖θ‖²: g + λθ."""
    return g + decay * theta if decay else g


def plain(setting: Any) -> Any:
    """Return NumPy's numbers as Python's: those would turn a float32 parameter into float64.

    What is plain already comes back as it is, the same object; tuples hold floats for integers.
    """
    if isinstance(setting, (np.generic, np.ndarray)) and setting.ndim == 0:
        return setting.item()
    if isinstance(setting, (tuple, list)):
        items = tuple(float(x) if type(x) is int else plain(x) for x in setting)
        same = type(setting) is tuple and all(map(operator.is_, items, setting))
        return setting if same else items
    return setting


class StepHooks:
    """Hooks before each step of one optimizer, counted where compiled steps can watch."""

    def __init__(self) -> None:
        self.of: dict[str, dict[int, Callable[..., Any]]] = {"step": {}}
        self.told = {"step hooks": 0}

    def tell(self) -> None:
        """Note that there is another hook, or one less: steps have to be recorded again."""
        self.told["step hooks"] += 1


class Optimizer(ABC):
    """Base of the optimizers; PyTorch's interface.

    A subclass passes its hyper-parameters as ``defaults`` and writes two methods: `check_group`,
    which refuses bad settings, and `update`, which moves the parameters of one group along their
    gradients; and `check_state`, if it remembers more than a step can do without.

    `update` reads a parameter by ``p._current()``, stores it by ``p._rebind(new)``, and is plain
    arithmetic in between (operators and functions of the engine, nothing in place), so that a
    recording can put tracked Values in place of the numbers in groups and state.

    Parameters
    ----------
    params : iterable of Value, or iterable of dict
        Leaves to train; or groups ``{"params": [...], "lr": ...}`` with settings of their own.
    defaults : dict
        Settings for groups that do not have their own.

    Attributes
    ----------
    param_groups : list of dict
        Each with ``"params"`` and its settings.  A changed ``group["lr"]`` counts from the next
        step.
    state : dict
        By parameter: what the optimizer remembers about it.

    Raises
    ------
    TypeError
        If something else than Values is passed.
    ValueError
        If there are no parameters, one appears twice, one was computed (is not a leaf), or a
        setting is out of its range.
    """

    def __init__(self, params: Params, defaults: Group) -> None:
        self.defaults = defaults
        self._warned = False
        self._hooks = StepHooks()
        self.param_groups: list[Group] = []
        self.state: dict[Value, dict[str, Any]] = {}
        name = type(self).__name__
        if isinstance(params, Value) or not isinstance(params, Iterable):
            raise TypeError(
                f"{name}: params must be an iterable of Values, such as model.parameters();"
                f" got {type(params).__name__}"
            )
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(f"{name}: there are no parameters to train (the iterable was empty)")
        if isinstance(entries[0], dict):
            for group in entries:
                self.add_param_group(group)
        else:
            self.add_param_group({"params": entries})

    def add_param_group(self, group: Any) -> None:
        """Add parameters with their own settings; what is not given comes from the defaults."""
        name = type(self).__name__
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f'{name}: a parameter group is a dict with "params", got {group!r}')
        params = [group["params"]] if isinstance(group["params"], Value) else list(group["params"])
        unknown = [key for key in _settings(group) if key not in self.defaults]
        if unknown:
            raise ValueError(
                f"{name}: unknown setting {unknown[0]!r} in a group; known are"
                f" {', '.join(self.defaults)}"
            )
        taken = {id(p): i for i, p in enumerate(self._flat())}
        if not params:
            raise ValueError(f"{name}: a group has no parameters")
        for i, p in enumerate(params, start=len(taken)):
            if not isinstance(p, Value):
                raise TypeError(
                    f"{name}: parameter {i} is {type(p).__name__}, a Value (nn.Parameter) is needed"
                )
            if id(p) in taken:
                raise ValueError(
                    f"{name}: parameter {i} ({_label(p, i)}) was already given as number"
                    f" {taken[id(p)]}; it would be moved twice in each step"
                )
            if not p.is_leaf:
                raise ValueError(
                    f"{name}: parameter {i} ({_label(p, i)}) is the result of an operation; only"
                    " leaves can be trained (use .detach() to make one)"
                )
            taken[id(p)] = i
        settings = {k: plain(group.get(k, v)) for k, v in self.defaults.items()}
        complete = {"params": params, **settings, **_initial(group)}
        self.check_group(complete)
        self.param_groups.append(complete)

    def _flat(self) -> list[Value]:
        return [p for group in self.param_groups for p in group["params"]]

    @abstractmethod
    def check_group(self, group: Group) -> None:
        """Raise ValueError if a setting of the group is out of its range."""

    def check_state(self, entry: Mapping[str, Any], shape: tuple[int, ...]) -> None:  # noqa: B027
        """Raise ValueError if this cannot be what is remembered about a parameter of a shape."""

    @abstractmethod
    def update(self, group: Group, params: list[Value]) -> None:
        """Move ``params``, those of the group that have a gradient, by one step."""

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` in each step, before parameters move.

        As the gradients are there by then (those of a closure too, other than in PyTorch), it is
        the place to clip them where somebody else takes the steps, `train.fit` for example.  In a
        compiled step it is recorded with the rest.

        Parameters
        ----------
        hook : callable
            Gets the optimizer and the arguments of ``step``; what it returns does not count.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` takes the hook away.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> x = tg.Value([0.0, 0.0])
        >>> optimizer = tg.optim.SGD([x], lr=1.0)
        >>> clip = tg.nn.utils.clip_grad_norm_
        >>> handle = optimizer.register_step_pre_hook(lambda *_: clip([x], 1.0))
        >>> (x * [30.0, -40.0]).sum().backward()
        >>> _ = optimizer.step()
        >>> x.data.round(6)
        array([-0.6,  0.8])
        """
        return RemovableHandle(self._hooks, "step", hook)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: ``.grad`` becomes None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def see_loss(self, loss: Any) -> None:  # noqa: B027
        """Take note of the loss at the parameters of this step, or of None if it was not given."""

    def step(self, closure: Callable[[], Any] | Value | float | None = None) -> Any:
        """Move all parameters by one step along their gradients.

        Parameters without a gradient stay where they are.

        Parameters
        ----------
        closure : callable, Value or float, optional
            Clears the gradients, computes the loss, calls ``backward()`` and returns the loss; it
            is called before the step.  Or that loss itself, after ``backward()``.  Only few
            optimizers look at it (`Rprop` with ``variant="irprop+"``).

        Returns
        -------
        object
            The loss that the closure returned, or that was given.

        Raises
        ------
        RuntimeError
            If no parameter has a gradient: ``backward()`` was not called, or the loss does not
            depend on them.

        Warns
        -----
        RuntimeWarning
            Once, if gradients from before the last step are still part of the sums in ``.grad``.
        """
        result = closure() if callable(closure) else closure
        ready = [
            (group, [p for p in group["params"] if p.grad is not None])
            for group in self.param_groups
        ]
        stale = {id(p) for _, params in ready for p in params if p._spend_grad()}
        if stale and not self._warned:
            self._warn(stale)
        if not any(params for _, params in ready):
            raise RuntimeError(
                f"{type(self).__name__}.step(): none of the {len(self._flat())} parameters has a"
                " gradient; call loss.backward() first, on a loss that depends on them"
            )
        if TRACING and (active := recorder()) is not None:
            self._adopt(active, [p for _, params in ready for p in params])
        self.see_loss(result)
        for hook in list(self._hooks.of["step"].values()):
            hook(self, (closure,), {})
        for group, params in ready:
            changed = {key: plain(x) for key, x in _settings(group).items() if plain(x) is not x}
            group.update(changed)
            self.update(group, params)
        if TRACING and (active := recorder()) is not None:
            for p in (p for _, params in ready for p in params if p in self.state):
                active.reach(self.state[p], self, "state", p)
                active.adopt_new(self.state[p])
        return result

    def _adopt(self, recorder: Any, params: list[Value]) -> None:
        """Let a recording trace the settings, and what is remembered about parameters."""
        recorder.adopt(self._hooks.told, (), fixed=("step hooks",))
        recorder.reach(self.state, self, "state")
        recorder.adopt(self.state, ())
        for group in self.param_groups:
            recorder.adopt(group, _settings(group))
        alike: dict[Any, Any] = {}
        for p in params:
            if p in self.state:
                recorder.reach(self.state[p], self, "state", p)
                recorder.adopt(self.state[p], self.state[p], alike=alike)

    def _warn(self, stale: set[int]) -> None:
        self._warned = True
        names = [_label(p, i) for i, p in enumerate(self._flat()) if id(p) in stale]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        warnings.warn(
            f"{type(self).__name__}.step(): the gradients of {'; '.join(names[:3])}{more} hold what"
            " the last step used already; call optimizer.zero_grad() before each backward(), or"
            " they add up",
            RuntimeWarning,
            stacklevel=3,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state as plain data, parameters replaced by their numbers.

        Returns
        -------
        dict
            ``{"state": {number: {...}}, "param_groups": [{"params": [numbers], ...}]}``, copies
            all.
        """
        flat = self._flat()
        groups, start = [], 0
        for group in self.param_groups:
            numbers = list(range(start, start + len(group["params"])))
            settings = {**copy.deepcopy(_settings(group)), **_initial(group)}
            groups.append({**settings, "params": numbers})
            start += len(numbers)
        state = {i: copy.deepcopy(self.state[p]) for i, p in enumerate(flat) if p in self.state}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, for the same parameters in the same order.

        Raises
        ------
        ValueError
            If groups, numbers of parameters, settings, shapes or what is remembered do not fit;
            nothing is changed then.
        """
        name = type(self).__name__
        groups = state["param_groups"]
        ours = [len(group["params"]) for group in self.param_groups]
        theirs = [len(group["params"]) for group in groups]
        if ours != theirs:
            raise ValueError(
                f"{name}: the state has groups of {theirs} parameters, this optimizer has {ours}"
            )
        flat = self._flat()
        for group in groups:
            if set(_settings(group)) != set(self.defaults):
                raise ValueError(
                    f"{name}: the state has settings {', '.join(sorted(_settings(group)))}, this"
                    f" optimizer has {', '.join(sorted(self.defaults))}: it is of another kind"
                )
            self.check_group(group)
        new_state: dict[Value, dict[str, Any]] = {}
        for number, entry in state["state"].items():
            if not 0 <= int(number) < len(flat):
                raise ValueError(f"{name}: the state speaks of parameter {number} of {len(flat)}")
            p = flat[int(number)]
            for key, value in entry.items():
                if np.ndim(value) and np.shape(value) != p.shape:
                    raise ValueError(
                        f"{name}: {key} of parameter {number} ({_label(p, int(number))}) has shape"
                        f" {np.shape(value)}, the parameter has {p.shape}"
                    )
            ours_now = {key: _remembered(value, p) for key, value in entry.items()}
            if ours_now:
                try:
                    self.check_state(ours_now, p.shape)
                except ValueError as error:
                    label = f"parameter {number} ({_label(p, int(number))})"
                    raise ValueError(f"{name}: the state of {label} is wrong: {error}") from None
                new_state[p] = ours_now
        for group, new in zip(self.param_groups, groups, strict=True):
            group.update({k: plain(copy.deepcopy(x)) for k, x in _settings(new).items()})
            group.update(_initial(new))
        self.state = new_state

    def __repr__(self) -> str:
        groups = [
            f"{len(group['params'])} parameters, "
            + ", ".join(f"{key}={value}" for key, value in _settings(group).items())
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(groups)})"


def _settings(group: Mapping[str, Any]) -> Group:
    return {key: value for key, value in group.items() if key not in ("params", "initial_lr")}


def _initial(group: Mapping[str, Any]) -> Group:
    """Return the rate that a schedule began with, which no step reads."""
    return {"initial_lr": float(group["initial_lr"])} if "initial_lr" in group else {}


def _remembered(value: Any, p: Value) -> Any:
    """Copy a value of a state in the form that steps compute with: floats, arrays of p's dtype."""
    if isinstance(value, (np.generic, np.ndarray, int, float)) and not isinstance(value, bool):
        if np.ndim(value) == 0:
            return float(value)
        return np.array(value, p.dtype if np.asarray(value).dtype.kind == "f" else None)
    return copy.deepcopy(value)


def _label(p: Value, number: int) -> str:
    return f"{p.name or f'number {number}'}, shape {p.shape}"
