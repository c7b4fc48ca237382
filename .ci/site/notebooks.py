"""The course's notebooks as pages, with the outputs that they were kept with."""

from __future__ import annotations

import re
from pathlib import Path

from nbconvert import MarkdownExporter


def pages(folder: Path) -> dict[str, bytes]:
    """Return the notebooks of a folder as Markdown, and their figures, by path."""
    out: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.ipynb")):
        exporter = MarkdownExporter()
        text, resources = exporter.from_filename(
            str(path), {"output_files_dir": "figures", "unique_key": path.stem}
        )
        link = f"[The notebook]({path.name}) as a file, to run it.\n"
        title, rest = text.strip().split("\n", 1)
        out[f"notebooks/{path.stem}.md"] = f"{title}\n\n{link}\n{linked(rest)}".encode()
        out[f"notebooks/{path.name}"] = path.read_bytes()
        for name, data in resources["outputs"].items():
            out[f"notebooks/{name}"] = data
    return out


def linked(text: str) -> str:
    """Let links to notebooks lead to their pages."""
    return re.sub(r"\]\((?!https?:)([\w./-]+)\.ipynb(#[^)]*)?\)", _page, text)


def _page(match: re.Match[str]) -> str:
    return f"]({match[1]}.md{match[2] or ''})"
