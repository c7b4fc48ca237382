"""How Sphinx builds the site; `build.py` calls it on a folder of prepared sources."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the three extensions beside this file

import tinygrad_lecture

project = "tinygrad_lecture"
version = release = tinygrad_lecture.__version__
html_title = f"{project} {version}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_parser",
    "docstrings",
    "mathml",
    "names",
]

# Docstrings: NumPy's sections; the types are told in them, so signatures stay short.
default_role = "py:obj"
add_module_names = False
toc_object_entries = False  # 1,400 names in the navigation of each page
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
maximum_signature_line_length = 88

# Markdown: headings can be linked, and formulas stand in dollars as in the notebooks.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

# Nothing is fetched when a page is read: system fonts, formulas as MathML, search in the page.
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
