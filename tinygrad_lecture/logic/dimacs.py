"""DIMACS CNF files: a reader that tells every fault with its line, and a writer.

The format (DIMACS challenge 1993): comment lines start with ``c``; one line ``p cnf VARIABLES
CLAUSES``; then numbers, a clause being the literals before a 0.  Line breaks mean nothing between
numbers, comments may stand anywhere, and a ``%`` after the last clause ends the file, as it does
those of SATLIB.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterable

from ..errors import UsageError

__all__ = ["DimacsError"]

SPARE_VARIABLES = 1000
"""How many variables a header may announce beyond one for each byte of the file."""

_SHOWN = 20


class DimacsError(UsageError):
    """A fault in a DIMACS file; the message starts with its line.

    Attributes
    ----------
    line : int
        Counted from 1.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def parse(data: bytes) -> tuple[int, array[int], array[int]]:
    """Return the number of variables, all literals, and where each clause ends among them.

    Memory grows with the data alone, never with what a header announces.
    """
    header: tuple[int, int, int] | None = None  # variables, clauses, line
    literals, ends = array("i"), array("q")
    number = 0
    for number, line in enumerate(io.BytesIO(data), 1):
        tokens = line.split()
        if not tokens or tokens[0].startswith(b"c"):
            continue
        if tokens[0].startswith(b"p"):
            if header is not None:
                raise DimacsError(number, f"a second header; the first is in line {header[2]}")
            header = (*_header(tokens, number, len(data)), number)
            continue
        if header is None:
            raise DimacsError(
                number, f'the header "p cnf VARIABLES CLAUSES" is missing before {_show(tokens[0])}'
            )
        open_ = len(literals) > (ends[-1] if ends else 0)
        if tokens[0] == b"%" and not open_:
            break
        for token in tokens:
            literal = _literal(token, header[0], number)
            if len(ends) == header[1]:
                raise DimacsError(
                    number, f"a clause more than the {header[1]} that the header announces"
                )
            if literal:
                literals.append(literal)
            else:
                ends.append(len(literals))
    if header is None:
        raise DimacsError(max(number, 1), 'there is no header "p cnf VARIABLES CLAUSES"')
    if len(literals) > (ends[-1] if ends else 0):
        raise DimacsError(number, "the last clause is not ended by 0")
    if len(ends) < header[1]:
        raise DimacsError(
            number,
            f"the file ends after {len(ends)} of {header[1]} clauses (header, line {header[2]})",
        )
    return header[0], literals, ends


def _header(tokens: list[bytes], line: int, size: int) -> tuple[int, int]:
    counts = tokens[2:]
    if tokens[:2] != [b"p", b"cnf"] or len(counts) != 2 or not all(map(bytes.isdigit, counts)):
        raise DimacsError(
            line, f'a header is "p cnf VARIABLES CLAUSES", got {_show(b" ".join(tokens))}'
        )
    for name, count, most in zip(
        ("variables", "clauses"), counts, (size + SPARE_VARIABLES, size // 2), strict=True
    ):
        if len(count.lstrip(b"0")) > 18 or int(count) > most:
            raise DimacsError(
                line, f"the header announces {_show(count)} {name}, too many for {size} bytes"
            )
    return int(counts[0]), int(counts[1])


def _literal(token: bytes, variables: int, line: int) -> int:
    digits = token[1:] if token.startswith(b"-") else token
    if not digits.isdigit() or token.startswith(b"-0"):
        raise DimacsError(line, f"a literal is a whole number such as 3 or -3, got {_show(token)}")
    if len(digits.lstrip(b"0")) > 18 or int(digits) > variables:
        raise DimacsError(
            line, f"variable {_show(digits)} is beyond the {variables} that the header announces"
        )
    return int(token)


def _show(token: bytes) -> str:
    text = token.decode("ascii", "replace")
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def write(variables: int, clauses: Iterable[Iterable[int]], comments: Iterable[str] = ()) -> str:
    """Return a file as text."""
    lines = [" ".join(map(str, (*clause, 0))) for clause in clauses]
    told = [f"c {line}".rstrip() for comment in comments for line in comment.splitlines()]
    return "\n".join([*told, f"p cnf {variables} {len(lines)}", *lines]) + "\n"
