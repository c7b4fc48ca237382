"""What is written in a picture: numbers, names and formulas in the field's notation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["formula", "number", "shape_text", "short", "visible"]

LONGEST = 48
"""Longer texts are cut in the middle; their tooltip has all of them."""

FORMS = {
    "add": "{} + {}", "subtract": "{} − {}", "multiply": "{} · {}", "divide": "{} / {}",
    "floor_divide": "⌊{} / {}⌋", "mod": "{} mod {}", "negative": "−{}", "power": "{}^{}",
    "abs": "|{}|", "square": "{}²", "reciprocal": "1 / {}", "sqrt": "√{}", "cbrt": "∛{}",
    "sigmoid": "σ({})", "maximum": "max({}, {})", "minimum": "min({}, {})", "matmul": "{} @ {}",
    "transpose": "{}ᵀ", "sum": "Σ {}", "prod": "Π {}", "norm": "‖{}‖", "identity": "{}",
    "logsumexp": "log Σ exp {}",
}  # fmt: skip
"""Ops that have a sign; all others are written as functions."""

RAISED = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def visible(text: str) -> str:
    r"""Return text with every character in sight: newlines and controls as Python writes them.

    Examples
    --------
    >>> from tinygrad_lecture.draw.labels import visible
    >>> visible("a\tb é")
    'a\\tb é'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def short(text: str, longest: int = LONGEST) -> str:
    """Return text that is cut in its middle if it is long.

    Examples
    --------
    >>> from tinygrad_lecture.draw.labels import short
    >>> short("abcdefghij", 7)
    'abc…hij'
    """
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def shape_text(shape: Sequence[int]) -> str:
    """Return ``3×4``, or nothing for a number."""
    return "×".join(map(str, shape)) if len(shape) != 1 else f"{shape[0]}"


def number(x: Any, digits: int) -> str:
    """Return a number; an array as its elements if they are few, else from least to greatest.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lecture.draw.labels import number
    >>> number(2.0, 4), number(np.array([1.0, 2.0]), 4), number(np.arange(9.0), 4)
    ('2', '[1, 2]', '0 … 8')
    """
    if x is None:
        return "not computed"
    if isinstance(x, str):
        return x
    if np.ndim(x) == 0:
        return f"{float(x) + 0.0:.{digits}g}".replace("-", "−")  # + 0.0: no −0
    array = np.asarray(x, dtype=float)
    if array.size <= 3 and array.ndim == 1:
        return f"[{', '.join(number(item, digits) for item in array)}]"
    if array.size == 1:
        return number(array.item(), digits)
    if array.size == 0:
        return "no elements"
    low, high = number(array.min(), digits), number(array.max(), digits)
    return low if low == high else f"{low} … {high}"


def formula(op: str, symbol: str, operands: Sequence[str], params: Mapping[str, Any]) -> str:
    """Return an op with the labels of its operands put in.

    Examples
    --------
    >>> from tinygrad_lecture.draw.labels import formula
    >>> formula("multiply", "*", ["w", "−2"], {}), formula("tanh", "tanh", ["v3"], {})
    ('w · (−2)', 'tanh(v3)')
    >>> formula("sum", "Σ", ["x"], {"axis": (0,), "keepdims": False})
    'Σ x  (axis 0)'
    """
    if op == "getitem":
        return f"{operands[0]}[{_index(params.get('index'))}]"
    if op == "linear":
        return f"{operands[0]} @ {operands[1]}ᵀ" + "".join(f" + {b}" for b in operands[2:])
    if op == "power" and operands[1].lstrip("−").isdigit():
        return _bound(operands[0]) + operands[1].translate(RAISED)
    if op == "concatenate":
        text = f"concat({', '.join(operands)})"
    elif op in FORMS:
        form = FORMS[op]
        inside = form.startswith("{}") or form.endswith("{}")
        text = form.format(*(_bound(o) if inside else o for o in operands))
    else:
        text = f"{symbol if symbol.isidentifier() else op}({', '.join(operands)})"
    told = [_parameter(name, p) for name, p in params.items()]
    told = [item for item in told if item]
    return f"{text}  ({', '.join(told)})" if told else text


def _bound(operand: str) -> str:
    negative = operand.startswith("−") and (operand[1:2].isdigit() or operand == "−inf")
    return f"({operand})" if negative else operand


def _parameter(name: str, p: Any) -> str:
    if p is None or p is False or callable(p):
        return ""
    if isinstance(p, np.ndarray):
        return f"{name} of shape {shape_text(p.shape)}" if p.ndim else f"{name} {p}"
    if isinstance(p, tuple):
        items = ", ".join(_index(item) for item in p)
        return f"{name} {items}" if items else ""
    return f"{name} {p:g}" if isinstance(p, float) else f"{name} {short(str(p))}"


def _index(index: Any) -> str:
    if isinstance(index, tuple):
        return ", ".join(map(_index, index))
    if isinstance(index, slice):
        parts = ["" if p is None else str(p) for p in (index.start, index.stop, index.step)]
        return ":".join(parts if parts[2] else parts[:2])
    if isinstance(index, np.ndarray):
        return f"<{shape_text(index.shape) or 'number'}>"
    return "…" if index is Ellipsis else "new" if index is None else short(str(index))
