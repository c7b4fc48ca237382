"""Links from names to the reference: `Linear` in a docstring, ``tg.nn.Linear`` in a guide."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode

from reference import PACKAGE, ROOMS, canonical

NAME = re.compile(r"(?:tg|tinygrad_lecture)((?:\.[A-Za-z_]\w*)+)(?:\([^()]*\))?")


class Names(SphinxTransform):
    """Make ``tg.nn.Linear(2, 3)`` in running text a link; a name that is not there is an error."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        """Replace the literals of a page, headings and links apart."""
        for node in self.document.findall(addnodes.pending_xref):
            # No guesses: `epoch` in a text is not the attribute of a class from elsewhere.
            node.attributes.pop("refspecific", None)
        for node in list(self.document.findall(nodes.literal)):
            match = NAME.fullmatch(node.astext())
            parents = (nodes.title, nodes.reference, addnodes.pending_xref)
            if match is None or isinstance(node.parent, parents):
                continue
            link = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=PACKAGE + match[1],
                refexplicit=True, refwarn=True, refdoc=self.env.current_document.docname,
            )  # fmt: skip
            node.replace_self(link)
            link += node


def resolve(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """Find a short name where it may be: in the package, or in one of its rooms."""
    if node.get("refdomain") != "py":
        return None
    objects = env.get_domain("py").objects
    target = node["reftarget"].removeprefix("tg.").removeprefix(f"{PACKAGE}.")
    homes = [PACKAGE, *(f"{PACKAGE}.{room}" for room in ROOMS)]
    elsewhere = canonical()
    for path in (f"{home}.{target}" for home in homes):
        name = elsewhere.get(path, path)
        if name in objects:
            entry = objects[name]
            return make_refnode(
                app.builder, node["refdoc"], entry.docname, entry.node_id, content, name
            )
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both."""
    app.add_transform(Names)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
