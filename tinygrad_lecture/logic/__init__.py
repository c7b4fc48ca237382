"""Neurons as logic: gates, the perceptron, networks from truth tables, and satisfiability.

What one neuron can do, what a hidden layer can, and why training is hard (L01–L09, L17).  All
networks here turn into ordinary ones of `nn` that can be trained, checked and compiled.
"""

from __future__ import annotations

from .cnf import *  # noqa: F403 - its __all__ names what is public, as for all files here
from .dimacs import *  # noqa: F403
from .drawing import *  # noqa: F403
from .expression import *  # noqa: F403
from .function import *  # noqa: F403
from .gates import *  # noqa: F403
from .minimize import *  # noqa: F403
from .network import *  # noqa: F403
from .normalform import *  # noqa: F403
from .parity import *  # noqa: F403
from .perceptron import *  # noqa: F403
from .satnet import *  # noqa: F403
from .separability import *  # noqa: F403
from .solve import *  # noqa: F403
