"""The course's notebooks as pages, with the outputs that they were kept with."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FENCE = "`" * 6
FIGURES = {"image/svg+xml": "svg", "image/png": "png"}


def pages(folder: Path) -> dict[str, bytes]:
    """Return the notebooks of a folder as Markdown, their figures, and themselves, by path."""
    out: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.ipynb")):
        blocks: list[str] = []
        for k, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                blocks.append(linked(text))
                continue
            blocks.append(_block("code-block", "python", text))
            for j, output in enumerate(cell["outputs"]):
                figure = f"figures/{path.stem}-{k}-{j}"
                for block, data, ending in _shown(output, figure):
                    blocks.append(block)
                    if data:
                        out[f"notebooks/{figure}.{ending}"] = data
        title, *rest = "\n\n".join(blocks).split("\n")
        link = f"\n[The notebook]({path.name}) as a file, to run it."
        out[f"notebooks/{path.stem}.md"] = "\n".join([title, link, *rest]).encode()
        out[f"notebooks/{path.name}"] = path.read_bytes()
    return out


def _shown(output: Any, figure: str) -> Iterator[tuple[str, bytes, str]]:
    """Yield an output as Markdown, with a figure's data and the ending of its file."""
    if output["output_type"] == "stream":
        yield _block("code-block", "none", "".join(output["text"])), b"", ""
        return
    if output["output_type"] == "error":
        yield _block("code-block", "none", f"{output['ename']}: {output['evalue']}"), b"", ""
        return
    data = {kind: "".join(text) for kind, text in output.get("data", {}).items()}
    for kind, ending in FIGURES.items():
        if kind in data:
            raw = data[kind].encode() if ending == "svg" else base64.b64decode(data[kind])
            yield f"![figure]({figure}.{ending})", raw, ending
            return
    if "text/html" in data:
        yield _block("raw", "html", data["text/html"]), b"", ""
    elif "text/plain" in data:
        yield _block("code-block", "none", data["text/plain"]), b"", ""


def _block(directive: str, argument: str, text: str) -> str:
    return f"{FENCE}{{{directive}}} {argument}\n\n{text.rstrip()}\n{FENCE}"


def linked(text: str) -> str:
    """Let links to notebooks lead to their pages."""
    return re.sub(r"\]\((?!https?:)([\w./-]+)\.ipynb(#[^)]*)?\)", _page, text)


def _page(match: re.Match[str]) -> str:
    return f"]({match[1]}.md{match[2] or ''})"
