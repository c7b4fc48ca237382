"""Every link of a built site leads somewhere, anchors included, and nothing is fetched."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("source", "srcset"),
           ("iframe", "src"), ("video", "src")}  # fmt: skip
"""What a browser loads by itself, unlike an ``a href``."""


class Page(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str, str]] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is asked for later."""
        for name, value in attrs:
            if name == "id" or (tag, name) == ("a", "name"):
                self.anchors.add(value or "")
            elif (tag, name) == ("a", "href") or (tag, name) in FETCHED:
                self.links.append((tag, name, value or ""))


def problems(site: Path) -> list[str]:
    """Return a line for each link that leads nowhere, and for each thing from a network."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found: list[str] = []
    for path, page in pages.items():
        for tag, name, link in page.links:
            where = f"{path.relative_to(site)}: <{tag} {name}={link!r}>"
            url = urlsplit(link)
            if url.scheme == "data" or (not link and name == "srcset"):
                continue
            if url.scheme or url.netloc:
                if (tag, name) in FETCHED:
                    found.append(f"{where} comes from a network")
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.is_file():
                found.append(f"{where} is not there")
            elif url.fragment and target in pages and _lacks(pages[target], url.fragment):
                found.append(f"{where}: no such place on that page")
    return found


def _lacks(page: Page, fragment: str) -> bool:
    return unquote(fragment) not in page.anchors
