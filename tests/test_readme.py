"""What README.md and the guides show is what runs: each example, each output, each command line.

Three kinds of block are looked at.  ``python``: a doctest, all blocks of a file in one namespace.
``text`` with a line ``$ command``: the command runs, and prints what stands below it.  ``sh``: each
line that calls tinygrad-lecture has arguments that its parser takes; this holds for the calls in
running text as well.  Numbers are compared to the digits that are shown, and times are not compared.
"""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lecture.cli import main, parser

ROOT = Path(__file__).parents[1]
FILES = [
    ROOT / "README.md",
    ROOT / "notebooks" / "README.md",
    *sorted(ROOT.glob(".ci/site/guides/*.md")),
]
if not FILES[0].is_file():
    pytest.skip("README.md is in a checkout", allow_module_level=True)

NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d[\d,]*)(?:\.\d*)?(?:e[-+]?\d+)?(?![\w])")
TIME = re.compile(r"(?<![\w.])\d[\d,.]*(?= (?:s|ms|µs|ns)\b)")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SLOW = ("train", "search", "babysit")
"""Commands whose runs take more than a few seconds."""
QUICK = ("conventions", "doctor", "graph", "logic", "notebooks")
"""Commands that are not only parsed where they are named, but run."""
STUDENT = {"tanh.py": """\
import numpy as np


class Tanh:
    def forward(self, x):
        self.x = x
        return np.tanh(x)

    def backward(self, grad_output):
        return grad_output * (1 - self.x**2)
"""}  # fmt: skip
"""Files that the transcripts speak of."""
PLACEHOLDER = r"\b[A-Z]{3,}\b|\w+\.py\b"
"""What stands for something of the reader's."""


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def same(shown: str, got: str) -> bool:
    """Whether two texts agree: words as they are, numbers to the digits shown, times not at all."""
    shown, got = TIME.sub("<time>", shown), TIME.sub("<time>", got)
    pairs = zip(NUMBER.finditer(shown), NUMBER.finditer(got), strict=False)
    numbers = all(_close(a[0], b[0]) for a, b in pairs)
    shown, got = (NUMBER.sub("<number>", text) for text in (shown, got))
    return numbers and doctest.OutputChecker().check_output(shown, got, FLAGS)


def _close(shown: str, got: str) -> bool:
    a, b = (Decimal(text.replace(",", "").replace("−", "-")) for text in (shown, got))
    if "." not in shown and "e" not in shown:
        return a == b
    return abs(a - b) <= Decimal(f"0.6e{a.as_tuple().exponent}")  # 0.6 of the last digit


class Checker(doctest.OutputChecker):
    """Doctest's, with numbers to the digits that are shown."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, got, optionflags) or same(want, got)


def examples(path: Path) -> str:
    return "\n".join(blocks(path, "python"))


def transcripts() -> Iterator[tuple[str, str]]:
    """Yield each command that is shown with its output, and the output."""
    for path in FILES:
        for block in blocks(path, "text"):
            for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
                if part.startswith("$ "):
                    command, _, output = part[2:].partition("\n")
                    yield command, output


def calls() -> Iterator[str]:
    """Yield each call of the program, in blocks and in running text."""
    for path in FILES:
        lines = "\n".join(blocks(path, "sh")).splitlines()
        prose = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for text in [*lines, *re.findall(r"`([^`]+)`", prose)]:
            if "tinygrad-lecture " in text:
                lexer = shlex.shlex(text, posix=True, punctuation_chars="&|;<>")
                lexer.whitespace_split = True
                for operator, words in groupby(lexer, lambda word: word[0] in "&|;<>"):
                    command = list(words)
                    if not operator and command[0].endswith("tinygrad-lecture"):
                        yield shlex.join(["tinygrad-lecture", *command[1:]])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_examples(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(examples(path), {}, path.name, str(path), 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(Checker(), optionflags=FLAGS)
    runner.run(test, out=report.append)
    assert not report, "".join(report)


def marked(command: str, *more: str) -> Any:
    """Mark a command that takes long."""
    slow = bool({*SLOW} & {*command.split()[1:2]})
    return pytest.param(command, *more, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("command", "output"), [marked(*pair) for pair in transcripts()])
def test_transcripts(
    command: str,
    output: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in STUDENT.items():
        Path(name).write_text(text, encoding="utf-8")
    program, *arguments = shlex.split(command)
    assert program == "tinygrad-lecture", f"this test runs no other program: {command}"
    main(arguments)
    got = capsys.readouterr().out
    assert same(output, got), f"shown:\n{output}\nprinted:\n{got}"


@pytest.mark.parametrize("command", sorted(set(calls())))
def test_arguments_are_accepted(
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    if arguments[0].startswith("-"):
        with pytest.raises(SystemExit, match=r"^0$"):
            main(arguments)
        return
    assert callable(parser().parse_args(arguments).run)
    if arguments[0] in QUICK and not re.search(PLACEHOLDER, command):
        assert main(arguments) == 0
        assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("shown", "got", "equal"),
    [
        ("loss 0.12", "loss 0.1234", True),
        ("loss 0.12", "loss 0.1267", False),
        ("loss 0.12", "gain 0.12", False),
        ("1e-06 of 2,000", "1.04e-6 of 2000", True),
        ("10 steps", "11 steps", False),
        ("10 steps (0.3 s of CPU time)", "10 steps (12 s of CPU time)", True),
        ("a\n  b", "a b", True),
        ("[1.0, 2.0]", "[1.0, 2.0, 3.0]", False),
        ("0.5 ... 3", "0.5 and so on 3", True),
    ],
)
def test_what_counts_as_the_same(shown: str, got: str, equal: bool) -> None:
    assert same(shown, got) is equal
