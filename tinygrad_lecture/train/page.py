"""The report of a job as one page of HTML that loads nothing from outside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Literal

__all__ = ["THEMES", "report_page"]

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LARGE = ("backprop.svg",)
"""Pictures at their own size, to be scrolled: their text would be too small in the page's width."""
CAPTIONS = {
    "curves.svg": ("Curves", "Loss and accuracy of training and validation over the epochs."),
    "layers.svg": ("Layers", "Activations, adjoints and updates of the layers over the steps."),
    "backprop.svg": (
        "Backpropagation",
        "One sample on its way through the trained network: values, and after ∂ the derivatives"
        " of the loss, in evaluation mode.",
    ),
}
STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --ink: #1a1a1a; --faint: #595959;
  --line: #d9dce0; --cell: 18, 90, 150; }
@media (prefers-color-scheme: dark) { :root { --back: #16181d; --ink: #f2f2f2; --faint: #b0b0b0;
  --line: #3a3f48; --cell: 110, 160, 220; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 62rem; background: var(--back);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p.note, figcaption { color: var(--faint); } figure { margin: 0; }
img { min-width: 34rem; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
.large { max-height: 85vh; overflow: auto; } .large img { max-width: none; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { font-weight: 600; } th[scope=row] { text-align: left; }
.matrix td { min-width: 2.6rem; text-align: center; }
dl { display: flex; flex-wrap: wrap; gap: .8rem 2.2rem; margin: 1rem 0; }
dt { color: var(--faint); font-size: .9rem; } dd { margin: 0; font-size: 1.5rem; }
"""


def report_page(
    report: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    pictures: Mapping[str, Mapping[str, str]],
    notes: Sequence[str] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    report : mapping
        Of ``Report.to_json()``.
    history : sequence of mapping
        A row per epoch.
    pictures : mapping of str to mapping of str to str
        SVG by theme and file name; the reader's setting chooses between light and dark.
    notes : sequence of str
        Lines about what is missing.

    Returns
    -------
    str
        HTML whose policy forbids to load anything.

    Examples
    --------
    >>> from tinygrad_lecture.train.page import report_page
    >>> plain = {
    ...     "settings": {"dataset": "xor"},
    ...     "reason": "finished",
    ...     "epochs": 1,
    ...     "seconds": 0.5,
    ...     "samples": {"train": 4},
    ...     "sizes": [2, 2],
    ...     "parameters": 6,
    ...     "best_epoch": 1,
    ...     "test_accuracy": 0.75,
    ...     "test_loss": 0.5,
    ...     "confusion": [[2, 0], [1, 1]],
    ... }
    >>> page = report_page(plain, [{"epoch": 1, "train_loss": 0.5}], {"light": {}, "dark": {}})
    >>> "<dd>75.00 %</dd>" in page
    True
    """
    settings = report["settings"]
    name = escape(str(settings["dataset"]))
    samples = ", ".join(f"{count:,} {part}" for part, count in report["samples"].items())
    network = "-".join(map(str, report["sizes"]))
    facts = {
        "test accuracy": _percent(report["test_accuracy"]),
        "test loss": _text(report["test_loss"]),
        "best epoch": f"{_text(report['best_epoch'])} of {report['epochs']}",
        "parameters": f"{report['parameters']:,}",
        "seconds": f"{report['seconds']:.1f}",
    }
    parts = [
        f"<h1>Training on {name}</h1>",
        f'<p class="note">Network {network}; {samples} samples; {escape(report["reason"])}.</p>',
        "<dl>",
        *(f"<div><dt>{key}</dt><dd>{escape(value)}</dd></div>" for key, value in facts.items()),
        "</dl>",
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
    ]
    for file in pictures[THEMES[0]]:
        heading, caption = CAPTIONS[file]
        light, dark = (_data(pictures[theme][file]) for theme in THEMES)
        parts += [
            f"<h2>{heading}</h2>",
            f'<figure><div class="{"large" if file in LARGE else "scroll"}" tabindex="0" '
            f'role="region" aria-label="{heading}"><picture>',
            f'<source srcset="{dark}" media="(prefers-color-scheme: dark)">',
            f'<img src="{light}" alt="{caption}"></picture></div>',
            f"<figcaption>{caption}</figcaption></figure>",
        ]
    if report["confusion"] is not None:
        parts += ["<h2>Confusion matrix</h2>", *_matrix(report["confusion"])]
    parts += ["<h2>Configuration</h2>", *_table(("setting", "value"), settings.items())]
    if history:
        rows = [
            (_text(row[next(iter(row))]), *map(_text, list(row.values())[1:])) for row in history
        ]
        parts += [
            "<h2>Metrics</h2>",
            f"<details><summary>{len(history)} epochs</summary>",
            *_table(tuple(history[0]), rows),
            "</details>",
        ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Training on {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _data(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def _text(x: Any) -> str:
    if x is None:
        return "–"
    if isinstance(x, (list, tuple)):
        return ", ".join(map(_text, x)) or "none"
    return f"{x:.5g}" if isinstance(x, float) else str(x)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = ['<div class="scroll"><table><thead><tr>']
    lines += [f'<th scope="col">{escape(str(cell))}</th>' for cell in head]
    lines.append("</tr></thead><tbody>")
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(_text(cell))}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{escape(_text(first))}</th>{cells}</tr>')
    return [*lines, "</tbody></table></div>"]


def _matrix(matrix: Sequence[Sequence[int]]) -> list[str]:
    """Return the matrix as a table; the darker a cell, the larger its share of the true class."""
    classes = "".join(f'<th scope="col">{j}</th>' for j in range(len(matrix)))
    lines = [
        '<p class="note">Rows are true classes, columns predicted ones.</p>',
        '<div class="scroll"><table class="matrix"><thead><tr><th scope="col">true</th>',
        f'{classes}<th scope="col">found</th></tr></thead><tbody>',
    ]
    for i, row in enumerate(matrix):
        total = sum(row)
        cells = "".join(
            f'<td style="background: rgba(var(--cell), {0.45 * count / total:.3f})">{count}</td>'
            if count else "<td>·</td>"
            for count in row
        )  # fmt: skip
        found = f"{row[i] / total:.1%}" if total else "–"
        lines.append(f'<tr><th scope="row">{i}</th>{cells}<td>{found}</td></tr>')
    return [*lines, "</tbody></table></div>"]
