"""What the project's docstrings may do that reStructuredText does not know."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


class Bars(SphinxTransform):
    """Read ``|x|`` as a formula, which for reStructuredText is a name to be replaced."""

    default_priority = 200  # before it is replaced

    def apply(self, **kwargs: Any) -> None:
        """Put back the text as it was written."""
        for node in list(self.document.findall(nodes.substitution_reference)):
            node.replace_self(nodes.Text(f"|{node.astext()}|"))


def formulas(lines: list[str]) -> list[str]:
    """Keep the lines of an indented block apart, as they stand in the source.

    An indented block below a paragraph is a formula here; for reStructuredText it would be a
    quotation, whose lines are filled.  A ``|`` before each of them makes it keep the lines.
    """
    out: list[str] = []
    quoting = False
    for k, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() and not lines[k - 1].strip() and k > 1:
            before = next((text for text in reversed(lines[:k]) if text.strip()), "")
            deeper = indent > len(before) - len(before.lstrip())
            quoting = deeper and before.rstrip()[-2:] != "::" and not _item(before)
        elif not line.strip():
            quoting = False
        out.append(f"{line[:indent]}| {line[indent:]}" if quoting else line)
    return out


def _item(line: str) -> bool:
    """Whether a line opens something whose text is indented below: a list, a field, a directive."""
    return line.lstrip().startswith(("- ", "* ", ":", "..", "#."))


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = formulas(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both; the step goes before napoleon's, which indents the sections."""
    app.add_transform(Bars)
    app.connect("autodoc-process-docstring", _process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
