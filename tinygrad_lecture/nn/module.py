"""`Module` and `Parameter`: a model is an object whose attributes are its parts.

There is no registry beside the attributes: a `Parameter` attribute is a parameter, a `Module`
attribute is a child, a name given to `register_buffer` is a buffer.  A misspelt attribute therefore
raises Python's own `AttributeError` with the name that is really missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..engine import Value
from ..engine.modes import TRACING, recorder
from ..engine.parts import UNWATCHED, WATCHING, part
from .hooks import Hooks, RemovableHandle
from .summary import Summary, summary

__all__ = ["IncompatibleKeys", "Module", "Parameter"]


next_revision = itertools.count().__next__
"""Numbers for the setting that tells a compiled function that parts of a module were replaced."""

SETTINGS = (bool, int, float, str)
"""Types of attributes that a compiled function takes as they were when it was recorded."""


class Parameter(Value):
    """A leaf `Value` that a module owns and an optimizer trains.

    Parameters
    ----------
    data : number or array
        Start value, any shape; float32 stays, integers become float64.
    name : str, optional
        Label for messages and pictures.  Without one, the parameter takes the path of the attribute
        that holds it: ``weight`` in a layer, ``0.weight`` once the layer is part of a `Sequential`.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> p = tg.nn.Parameter([1.0, 2.0], name="w")
    >>> (p * p).sum().backward()
    >>> p.grad
    array([2., 4.])
    """

    __slots__ = ()


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` with ``strict=False`` left aside."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base class of layers, losses and models; PyTorch's ``nn.Module`` without its registries.

    Write parameters and children as attributes in ``__init__`` (no ``super().__init__()`` needed)
    and the computation as ``forward``; then call the object.

    Raises
    ------
    TypeError
        When parameters or modules are kept in a plain list, tuple or dict, where an optimizer would
        silently miss them: `ModuleList` and `Sequential` hold modules.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> class Scale(tg.nn.Module):
    ...     def __init__(self, factor):
    ...         self.factor = tg.nn.Parameter(factor)
    ...
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> model = tg.nn.Sequential(Scale(3.0), tg.nn.ReLU())
    >>> model(2.0).item()
    6.0
    >>> [name for name, _ in model.named_parameters()]
    ['0.factor']
    """

    training: bool = True
    _buffers: frozenset[str] = frozenset()
    _hooks: Hooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every concrete module writes its own."""
        raise TypeError(f"{type(self).__name__} defines no forward(), so it cannot be called")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, and show what it gave to the hooks."""
        if TRACING and (active := recorder()) is not None:
            settings = [k for k, v in vars(self).items() if v is None or type(v) in SETTINGS]
            active.adopt(vars(self), self._buffers, {*settings, "training", "_hooked", "_revision"})
        with part(self) if WATCHING else UNWATCHED:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._hooks.run(self, args, kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            if value.name is None:
                value.name = name
        elif isinstance(value, Module):
            for path, parameter in value.named_parameters():
                if parameter.name == path:  # so far named by its place in the child alone
                    parameter.name = f"{name}.{path}"
        elif name in self._buffers and not (TRACING and isinstance(value, Value)):
            value = np.asarray(value)
        if isinstance(value, (Module, Parameter)) or isinstance(
            vars(self).get(name), (Module, Parameter)
        ):
            vars(self)["_revision"] = next_revision()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        vars(self)["_revision"] = next_revision()
        object.__delattr__(self, name)

    def register_buffer(self, name: str, data: Any) -> None:
        """Keep an array that belongs to the state but is not trained (a running mean, say).

        Parameters
        ----------
        name : str
            Attribute under which the array is read and replaced from now on.
        data : array_like
            Copied.

        Raises
        ------
        ValueError
            If the name is empty, holds a dot, or is taken by something else.
        """
        if not name or "." in name:
            raise ValueError(f"register_buffer: name must be non-empty without a dot, got {name!r}")
        if name not in self._buffers and hasattr(self, name):
            raise ValueError(
                f"register_buffer: {type(self).__name__} already has attribute {name!r}"
            )
        object.__setattr__(self, "_buffers", self._buffers | {name})
        setattr(self, name, np.array(data))

    def register_forward_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward pass of this module (L41).

        Parameters
        ----------
        hook : callable
            Sees the positional arguments of the call and its output, all numbers and arrays in
            them as Values of their own without history: to be kept, and without effect on training.
            It returns None.  (PyTorch's may return another output; that is a module's work here.)

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` ends it.

        Raises
        ------
        TypeError
            From the call of the module, if the hook returns something.

        Notes
        -----
        In a compiled function, hooks are called after each run with the numbers of that run, in
        the order of the calls.  The first hook and the removal of the last one make the function
        record again.  A tape that is replayed (`tinygrad_lecture.record`) shows nothing.  A deep
        copy of a module has no hooks.  A hook had better not raise: in a compiled step, parameters
        have been updated by then, and the optimizer's state perhaps not.

        Examples
        --------
        >>> import numpy as np
        >>> import tinygrad_lecture as tg
        >>> net = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=0), tg.nn.Tanh())
        >>> kept = {}
        >>> def keep(module, args, output):
        ...     kept[type(module).__name__] = output.shape, bool(abs(output.data).max() < 1)
        >>> handle = net[1].register_forward_hook(keep)
        >>> _ = net(np.ones((5, 2)))
        >>> kept
        {'Tanh': ((5, 3), True)}
        >>> handle.remove()
        """
        return self._add_hook("forward", hook)

    def register_full_backward_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` once the adjoint of the output is known (L41).

        Parameters
        ----------
        hook : callable
            ``grad_output`` is a tuple of one array of the output's shape (a float for a scalar
            output), as PyTorch's: the derivative of what `backward` started from.  It is a copy.
            The hook returns None.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` ends it.

        Raises
        ------
        TypeError
            From the backward pass, if the hook returns something; from the call of the module, if
            it gives several outputs.

        Notes
        -----
        It is called once for each call of the module that the backward pass reaches, last call
        first; a scalar output whose adjoint is exactly 0 is not reached.  For compiled functions
        see `register_forward_hook`.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> layer = tg.nn.Tanh()
        >>> handle = layer.register_full_backward_pre_hook(lambda module, g: print(g[0]))
        >>> (layer(tg.Value([1.0, 2.0])) * 3.0).sum().backward()
        [3. 3.]
        """
        return self._add_hook("gradient", hook)

    def register_full_backward_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once a call has been gone back through.

        Parameters
        ----------
        hook : callable
            ``grad_output`` is as for `register_full_backward_pre_hook`; ``grad_input`` is a tuple
            with an array for each positional argument, None for those that are no Values.  All
            are copies; the hook returns None.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` ends it.

        Raises
        ------
        TypeError
            As for `register_full_backward_pre_hook`.

        Notes
        -----
        It is not called for a call in which an input has no influence on the output.  Parameter
        gradients are not among the inputs: they are in ``.grad``.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> layer = tg.nn.ReLU()
        >>> handle = layer.register_full_backward_hook(lambda module, gi, go: print(gi[0], go[0]))
        >>> (layer(tg.Value([-1.0, 2.0])) * 3.0).sum().backward()
        [0. 3.] [3. 3.]
        """
        return self._add_hook("backward", hook)

    def _add_hook(self, kind: str, hook: Callable[..., None]) -> RemovableHandle:
        if not callable(hook):
            raise TypeError(f"a hook has to be callable, got {type(hook).__name__}")
        if self._hooks is None:
            self._hooks = Hooks(vars(self))
        return RemovableHandle(self._hooks, kind, hook)

    def _members(self) -> Iterator[tuple[str, Any]]:
        """Own attributes in the order of their definition, refusing parts hidden in containers."""
        for name, value in vars(self).items():
            if isinstance(value, (list, tuple, dict)):
                items = value.values() if isinstance(value, dict) else value
                if any(isinstance(item, (Module, Parameter)) for item in items):
                    raise TypeError(
                        f"{type(self).__name__}.{name} is a plain {type(value).__name__} of"
                        " parameters or modules, which would not be trained or saved; use"
                        " nn.ModuleList, nn.Sequential or one attribute for each"
                    )
            yield name, value

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the direct submodules with their names."""
        for name, value in self._members():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the direct submodules."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it, parents first, each once; own path is ``prefix``."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(f"{path}.{name}" if path else name, m) for name, m in module.named_children()]
            stack.extend(reversed(below))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, parents first, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield every parameter once with its dotted path, in the order of definition.

        A parameter that two modules share appears under its first path only.
        """
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, value in module._members():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def parameters(self) -> Iterator[Parameter]:
        """Yield every parameter once: what an optimizer takes."""
        for _, parameter in self.named_parameters():
            yield parameter

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every buffer with its dotted path."""
        for path, module in self.named_modules(prefix):
            for name, value in module._members():
                if name in module._buffers:
                    yield f"{path}.{name}" if path else name, value

    def buffers(self) -> Iterator[NDArray[Any]]:
        """Yield every buffer."""
        for _, buffer in self.named_buffers():
            yield buffer

    def num_parameters(self) -> int:
        """Count the trainable numbers.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> tg.nn.Linear(64, 10).num_parameters()
        650
        """
        return sum(parameter.size for parameter in self.parameters())

    def summary(self, *inputs: Any) -> Summary:
        """List the modules with output shapes and numbers of parameters, from one call.

        See `tinygrad_lecture.nn.summary`.

        Examples
        --------
        >>> import numpy as np
        >>> import tinygrad_lecture as tg
        >>> tg.nn.Linear(64, 10).summary(np.zeros((1, 64)))
        module   kind    output shape  parameters
        (model)  Linear  (1, 10)              650
        650 parameters, 0 in buffers
        """
        return summary(self, *inputs)

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below (``self.training``); returns the module."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below; returns the module."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call a function with every module below and then this one; returns the module.

        Examples
        --------
        >>> import tinygrad_lecture as tg
        >>> def zero_bias(module):
        ...     if isinstance(module, tg.nn.Linear):
        ...         tg.nn.init.zeros_(module.bias)
        >>> net = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=0), tg.nn.ReLU()).apply(zero_bias)
        >>> net[0].bias.data
        array([0., 0., 0.])
        """
        for module in reversed(list(self.modules())):
            fn(module)
        return self

    def zero_grad(self) -> None:
        """Forget all gradients: ``.grad`` of every parameter becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copy all parameters and buffers into arrays, by dotted path.

        Returns
        -------
        dict of str to ndarray
            Independent of the model: later training does not change it.
        """
        state = {name: np.array(parameter.data) for name, parameter in self.named_parameters()}
        state.update((name, np.array(buffer)) for name, buffer in self.named_buffers())
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy arrays into parameters and buffers; all is checked before anything is written.

        Parameters
        ----------
        state : mapping of str to array_like
            As `state_dict` gives it.  Numbers are converted to the dtype of their target.
        strict : bool
            Demand that the names agree exactly; otherwise load the common ones.

        Returns
        -------
        IncompatibleKeys
            Names that are missing in the state and names that the model does not have.

        Raises
        ------
        ValueError
            One line with missing and unexpected names (if strict), wrong shapes and wrong dtypes.
        """
        owners = {
            f"{path}.{name}" if path else name: (module, name)
            for path, module in self.named_modules()
            for name in module._buffers
        }
        targets: dict[str, Any] = dict(self.named_parameters())
        targets.update(self.named_buffers())
        missing = [name for name in targets if name not in state]
        unexpected = [name for name in state if name not in targets]
        problems = []
        if strict and missing:
            problems.append(f"missing {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"unexpected {', '.join(unexpected)}")
        arrays: dict[str, NDArray[Any]] = {}
        for name, target in targets.items():
            if name not in state:
                continue
            array = np.asarray(state[name])
            if array.shape != target.shape:
                problems.append(f"{name} has shape {array.shape}, the model needs {target.shape}")
            elif not np.can_cast(array.dtype, target.dtype, casting="same_kind"):
                problems.append(f"{name} is {array.dtype}, the model needs {target.dtype}")
            else:
                arrays[name] = array.astype(target.dtype)  # always a copy
        if problems:
            raise ValueError(f"state does not fit {type(self).__name__}: {'; '.join(problems)}")
        for name, array in arrays.items():
            if name in owners:
                module, attribute = owners[name]
                setattr(module, attribute, array)
            else:
                targets[name].data = array
        return IncompatibleKeys(missing, unexpected)

    def extra_repr(self) -> str:
        """Text inside the parentheses of the repr; concrete modules give their settings."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()
        ]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        body = "".join(f"  {line}\n" for line in [self.extra_repr(), *lines] if line)
        return f"{type(self).__name__}(\n{body})"
