"""A picture as it goes into a page: the SVG that dot wrote, without what only files need."""

from __future__ import annotations

from xml.etree import ElementTree

from .graph import Graph

__all__ = ["inline"]

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
KEPT = {
    "d", "points", "fill", "stroke", "stroke-width", "stroke-dasharray", "transform", "x", "y",
    "font-weight", "font-size", "viewBox", "cx", "cy", "rx", "ry",
}  # fmt: skip
SMALLEST = 0.65
"""A picture that is too wide for the page is made smaller down to this share, then it scrolls."""


def inline(svg: str, graph: Graph) -> str:
    """Return an SVG picture for a page, a good deal shorter.

    Nodes and edges keep their ids, tooltips become titles, and the texts that change while one
    steps through get a class: ``primal`` and ``adjoint`` in nodes, ``local`` on edges.

    Parameters
    ----------
    svg : str
        A picture of both passes, as `render` gives it.
    graph : Graph
        What it shows.
    """
    source = ElementTree.fromstring(svg)
    picture = ElementTree.Element("svg", {k: x for k, x in source.items() if k in KEPT})
    width = float(source.attrib["width"].removesuffix("pt"))
    picture.set("style", f"width: clamp({SMALLEST * width:.0f}pt, 100%, {width:.0f}pt)")
    picture.set("role", "img")
    picture.set("aria-label", "The graph; the table of the tape says the same in words")
    for child in source:
        _put(child, picture, graph)
    return ElementTree.tostring(picture, encoding="unicode")


def _put(element: ElementTree.Element, parent: ElementTree.Element, graph: Graph) -> None:
    """Copy an element; what only wraps others is left out."""
    tag, kind = element.tag.removeprefix(SVG), element.get("class", "")
    if tag == "title" or (tag == "polygon" and parent.get("class") == "graph"):
        return  # the ids once more; the background
    if tag == "a" or (tag == "g" and not kind):
        told = element.get(f"{LINK}title")
        if told and parent.get("class") in ("node", "edge"):
            ElementTree.SubElement(parent, "title").text = told
        for child in element:
            _put(child, parent, graph)
        return
    copy = ElementTree.SubElement(parent, tag, {k: x for k, x in element.items() if k in KEPT})
    copy.text = element.text if tag == "text" else None
    if kind:
        copy.set("class", kind)
        if kind in ("node", "edge"):
            copy.set("id", element.attrib["id"])
    for child in element:
        _put(child, copy, graph)
    texts = copy.findall("text")
    if kind == "edge" and texts:
        texts[0].set("class", "local")
    if kind == "node" and graph[element.attrib["id"]].kind != "constant":
        texts[-2].set("class", "primal")
        texts[-1].set("class", "adjoint")
