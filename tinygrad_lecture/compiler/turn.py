"""Pass 3c, turn: large matrices lie by columns where that makes their products quicker.

BLAS takes 5 to 15 percent longer for a wide result (a batch of 128 by 512 features, say) than
for its transpose.  Such a product is computed as (a·b)ᵀ = bᵀ·aᵀ, what is elementwise around it
follows, and who else reads it reads a view.  Nothing is copied, or a matrix stays as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Gather, Program, View, rows_of, whole
from .ufuncs import UFUNCS

__all__ = ["turn"]

LEAST = 4_000_000
"""Multiplications of a product below which it makes no difference."""

FOLLOWS = {*UFUNCS, "relu", "cast"} - {"matmul"}


def turn(program: Program) -> Program:
    """Turn what pays, and return the program."""
    wide = [i for i, op in enumerate(program.op) if op == "matmul" and _is_wide(program, i)]
    if not wide:
        return program
    readers: list[list[int]] = [[] for _ in program.op]
    for i, args in enumerate(program.args):
        for x in args:
            for row in rows_of(x):
                readers[row].append(i)
    outputs = {row for x in program.outputs for row in rows_of(x)}
    turned: set[int] = set()
    for i in wide:
        if i not in turned:
            turned |= _together(program, i, readers, outputs)
    for i, args in enumerate(program.args):
        if i not in turned:
            program.args[i] = tuple(_read(program, x, turned) for x in args)
        elif program.op[i] == "matmul":
            program.args[i] = tuple(_transposed(program, x, turned) for x in args[::-1])
        else:
            program.args[i] = tuple(_beside(program, x, turned) for x in args)
    for i in turned:
        program.shape[i] = program.shape[i][::-1]
    return program


def _is_wide(program: Program, i: int) -> bool:
    shape, left = program.shape[i], program.args[i][0]
    if len(shape) != 2 or shape[0] >= shape[1]:
        return False
    depth = (program.shape[left] if type(left) is int else np.shape(left))[-1]
    return bool(shape[0] * shape[1] * depth >= LEAST)


def _together(program: Program, seed: int, readers: list[list[int]], outputs: set[int]) -> set[int]:
    """Return the rows that have to be turned with one; none if one of them cannot be."""
    shape, found, todo = program.shape[seed], {seed}, [seed]

    def join(i: int) -> bool:
        if program.shape[i] != shape or not _follows(program, i):
            return False
        if i not in found:
            found.add(i)
            todo.append(i)
        return True

    while todo:
        row = todo.pop()
        if row in outputs:
            return set()
        for i in readers[row]:
            product = program.op[i] == "matmul"
            for x in program.args[i]:
                as_it_is = type(x) is int or (product and _is_transpose(x, shape))
                if row in rows_of(x) and not as_it_is:
                    return set()
            if not product and not join(i):
                return set()
        if program.op[row] == "matmul":
            continue
        for x in program.args[row]:
            if type(x) is Gather or (type(x) is View and x.shape == shape and 0 not in x.strides):
                return set()
            if type(x) is int and program.shape[x] == shape and not join(x):
                return set()
    return found


def _follows(program: Program, i: int) -> bool:
    """Whether a row can be computed by columns as well."""
    op = program.op[i]
    return op == "matmul" or (op in FOLLOWS and not program.params[i])


def _is_transpose(x: Any, shape: tuple[int, ...]) -> bool:
    """Whether an operand is all of a matrix of this shape, transposed."""
    n, m = shape
    return type(x) is View and (x.offset, x.shape, x.strides) == (0, (m, n), (1, m))


def _read(program: Program, x: Any, turned: set[int]) -> Any:
    """Return the operand that reads the same, now that some rows are turned."""
    if type(x) is int and x in turned:
        n, m = program.shape[x]
        return View(x, 0, (n, m), (1, n))
    if type(x) is View and x.row in turned:
        return x.row
    return x


def _transposed(program: Program, x: Any, turned: set[int]) -> Any:
    """Return the operand that reads the transpose of a matrix."""
    x = _read(program, x, turned)
    if type(x) is int:
        if x in turned:
            n, m = program.shape[x]
            return View(x, 0, (n, m), (1, n))
        x = whole(program, x)
    if type(x) is View:
        if x.row in turned:
            return x.row
        return x._replace(shape=x.shape[::-1], strides=x.strides[::-1])
    if type(x) is Gather:
        return Gather(x.rows.T, x.offsets.T)
    return np.ascontiguousarray(np.transpose(x))


def _beside(program: Program, x: Any, turned: set[int]) -> Any:
    """Return the operand of an elementwise row that is turned: a row becomes a column."""
    if type(x) is int:
        if x in turned or program.shape[x] == ():
            return x
        x = whole(program, x)
    if type(x) is View:
        if len(x.shape) == 1:
            return View(x.row, x.offset, (*x.shape, 1), (*x.strides, 0))
        return x._replace(shape=x.shape[::-1], strides=x.strides[::-1])
    if isinstance(x, np.ndarray) and x.ndim:
        return np.ascontiguousarray(x.T if x.ndim == 2 else x[:, None])
    return x
