"""Importing the package costs NumPy and nothing heavier; rooms load when they are first used."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import tinygrad_lecture as tg

CODE = """
import json, sys
import {numpy}
before = set(sys.modules)
import tinygrad_lecture as tg
{more}
new = {{name for name in sys.modules if name not in before}}
top = {{name.partition(".")[0] for name in new}} - {{"__mp_main__"}}  # what multiprocessing calls __main__
old = {{name.partition(".")[0] for name in before}}
rooms = {{name.split(".")[1] for name in new if name.startswith("tinygrad_lecture.")}}
print(json.dumps([sorted(top - old - set(sys.stdlib_module_names)), sorted(rooms)]))
"""


def loaded(more: str = "", numpy: str = "numpy") -> Any:
    """Return the new top-level modules outside of the standard library, and the rooms."""
    code = CODE.format(more=more, numpy=numpy)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_import_brings_numpy_and_the_engine_alone() -> None:
    assert loaded() == [["tinygrad_lecture"], ["engine"]]


def test_using_the_engine_brings_nothing_more() -> None:
    more = (
        "x = tg.Value([1.0, 2.0]); y = (x * x).sum(); y.backward(); tape = tg.Tape(y); tape.to_json(); str(tape);"
        "tg.hessian(lambda v: (v * v).sum())(numpy.ones(2)); tg.erf(x); str(tg.conventions())"
    )
    assert loaded(more) == [["tinygrad_lecture"], ["engine"]]


@pytest.mark.parametrize("room", tg.ROOMS)
def test_a_room_loads_when_it_is_first_used_and_costs_numpy_alone(room: str) -> None:
    top, rooms = loaded(f"tg.{room}", numpy="numpy.random")  # which NumPy loads when it is used

    assert top == ["tinygrad_lecture"]
    assert {"engine", room} <= set(rooms)


def test_rooms_are_there_by_name() -> None:
    for room in tg.ROOMS:
        assert getattr(tg, room).__name__ == f"tinygrad_lecture.{room}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(
        AttributeError, match="module 'tinygrad_lecture' has no attribute 'no_such'"
    ):
        _ = tg.no_such
    assert not hasattr(tg, "test")


def test_star_import_of_the_engine_gives_what_it_lists() -> None:
    for name in tg.engine.__all__:
        assert hasattr(tg.engine, name)
