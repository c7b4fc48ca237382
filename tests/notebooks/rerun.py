"""Run notebooks without a browser, and compare what they keep with what they give now.

``python tests/notebooks/rerun.py`` runs the course and writes the outputs into its files;
``python tests/notebooks/rerun.py 02 04`` does so for those whose names begin like this.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from unittest import mock

import nbformat
from nbclient import NotebookClient

from tinygrad_lecture.teach import lessons

Notebook: TypeAlias = Any
"""nbformat has no type of its own for a node: it is a dictionary whose keys are attributes."""

Execute: TypeAlias = Callable[[Any, int], list[Any]]

SECONDS = 120
"""A notebook may take this long, each pass."""
BYTES = 1_000_000
"""A file may be this large."""
RTOL, ATOL = 1e-6, 1e-9
"""Of two numbers in outputs; the tag ``rtol=0.5`` of a cell changes the first."""


def load(path: Path) -> Notebook:
    """Read and validate a notebook."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: Notebook) -> list[tuple[int, Any]]:
    """Return the code cells with their places among all cells."""
    return [(k, cell) for k, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


@contextlib.contextmanager
def kernel(notebook: Notebook) -> Iterator[Execute]:
    """Start a new kernel in an empty folder, without the user's settings; give what runs a cell."""
    with tempfile.TemporaryDirectory() as folder:
        (settings := Path(folder, "settings")).mkdir()
        (place := Path(folder, "place")).mkdir()
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(place)}},
            coalesce_streams=True,
        )
        environment = {"IPYTHONDIR": str(settings), "PYTHONHASHSEED": "0"}
        with mock.patch.dict("os.environ", environment), client.setup_kernel():
            yield lambda cell, place: tidied(client.execute_cell(cell, place).outputs)


def tidied(outputs: Sequence[Any]) -> list[Any]:
    """Return outputs without what changes from run to run, and without the text under pictures."""
    tidy = []
    for output in outputs:
        kept = nbformat.from_dict(json.loads(json.dumps(output)))
        if "metadata" in kept:
            kept.metadata = {}
        if "execution_count" in kept:
            kept.execution_count = None
        tidy.append(kept)
    return tidy


# --- comparison ------------------------------------------------------------------------------

NUMBER = re.compile(r"(?<![\w.,])[-+−]?(?:\d+(?:,\d{3})*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w)")


def rtol_of(cell: Any) -> float:
    """Return the tolerance of a cell: its tag ``rtol=…``, or the usual one.

    ``rtol=inf`` is for numbers that may differ on another machine: seconds, or the end of a long
    training.  The words around the numbers are compared all the same.
    """
    tags = [tag.removeprefix("rtol=") for tag in cell.metadata.get("tags", ()) if "rtol=" in tag]
    return float(tags[0]) if tags else RTOL


def same_number(kept: str, now: str, rtol: float) -> bool:
    """Compare two printed numbers: integers are equal, others up to rounding and tolerance."""
    if kept == now:
        return True
    plain = [_ascii(text) for text in (kept, now)]
    a, b = map(float, plain)
    if rtol <= RTOL and all(text.lstrip("+-").isdigit() for text in plain):
        return False
    size = max(abs(a), abs(b))
    rounding = min(1.0001 * last_place(plain[0]), 1.0001 * last_place(plain[1]), size / 100)
    return abs(a - b) <= max(rtol * size, ATOL, rounding)


def _ascii(number: str) -> str:
    return number.replace(",", "").replace("−", "-")


def last_place(text: str) -> float:
    """Return the unit of the last decimal: 0.01 for 3.14; 0 for 3., which is not rounded."""
    digits, _, exponent = text.lower().partition("e")
    decimals = len(digits.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals) if decimals else 0.0


def differences(kept: Sequence[Any], now: Sequence[Any], rtol: float) -> list[str]:
    """Say in which texts two lists of outputs differ; of pictures only the kind is compared."""
    found = []
    for a, b in itertools.zip_longest(*(list(_texts(outputs)) for outputs in (kept, now))):
        if a is None or b is None or a[0] != b[0]:
            found.append(f"{a or 'nothing'} was kept, and now there is {b or 'nothing'}")
        elif a[1] is not None and b[1] is not None:
            found += _text_differences(a[1], b[1], rtol)
    return found


def _texts(outputs: Sequence[Any]) -> Iterator[tuple[str, str | None]]:
    """Kind and text of each output; no text for a picture and for what stands for it as text."""
    for output in outputs:
        if output.output_type == "stream":
            yield output.name, output.text
            continue
        if output.output_type == "error":
            yield "error", f"{output.ename}: {output.evalue}"
            continue
        kinds = output.data.keys()
        framed = "<iframe" in output.data.get("text/html", "")  # a page of its own
        pictured = framed or any(kind.startswith("image/") for kind in kinds)
        for kind, text in sorted(output.data.items()):
            yield kind, None if pictured or not kind.startswith("text/") else text


RANGE = re.compile(rf"({NUMBER.pattern}) … ({NUMBER.pattern})")


def _one_rounding(text: str) -> str:
    """Make one number of a range of rounding errors: on another processor it may be one."""

    def first(found: re.Match[str]) -> str:
        tiny = all(abs(float(_ascii(end))) <= ATOL for end in found.groups())
        return found[1] if tiny else found[0]

    return RANGE.sub(first, text)


def _text_differences(kept: str, now: str, rtol: float) -> list[str]:
    kept, now = _one_rounding(kept), _one_rounding(now)
    words = [" ".join(NUMBER.sub(" № ", text).split()) for text in (kept, now)]
    if words[0] != words[1]:
        return [f"{kept!r} was kept, and now there is {now!r}"]
    pairs = zip(NUMBER.findall(kept), NUMBER.findall(now), strict=True)
    return [f"{a} was kept, and now there is {b}" for a, b in pairs if not same_number(a, b, rtol)]


# --- writing ---------------------------------------------------------------------------------


def write(path: Path) -> None:
    """Run a notebook once in a new kernel and keep its outputs in its file."""
    notebook = load(path)
    with kernel(notebook) as execute:
        for number, (place, cell) in enumerate(code(notebook), 1):
            cell.outputs = execute(cell, place)
            cell.execution_count = number
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number
            tags = cell.metadata.get("tags")
            cell.metadata = {"tags": tags} if tags else {}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")  # noqa: T201 - it is a command


def main(names: Sequence[str]) -> None:
    """Write the notebooks whose names begin with one of these; all by default."""
    for lesson in lessons():
        if not names or lesson.name.startswith(tuple(names)):
            write(lesson.path)


if __name__ == "__main__":
    main(sys.argv[1:])
