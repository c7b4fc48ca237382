"""The lecture's claims as experiments: what each measures, beside its threshold.

An experiment is a function with keyword arguments; by default it measures what the claim says,
with ``quick=True`` less of it.  It returns an `Outcome`: checks (a measured number, its threshold,
whether it holds), notes, and data for a figure.  `claims` lists them by their ids in the lecture,
`run_claims` runs many of them, on any executor.
"""

from __future__ import annotations

from .activations import *  # noqa: F403 - its __all__ names what is public, as for all files here
from .adaptive import *  # noqa: F403
from .averaging import *  # noqa: F403
from .babysitting import *  # noqa: F403
from .backprop import *  # noqa: F403
from .depth import *  # noqa: F403
from .descent import *  # noqa: F403
from .figure import *  # noqa: F403
from .gradient_check import *  # noqa: F403
from .initialization import *  # noqa: F403
from .inputs import *  # noqa: F403
from .landscape import *  # noqa: F403
from .learning_rate import *  # noqa: F403
from .minibatch import *  # noqa: F403
from .modules import *  # noqa: F403
from .momentum import *  # noqa: F403
from .monitoring import *  # noqa: F403
from .nonlinearities import *  # noqa: F403
from .normalization import *  # noqa: F403
from .outcome import *  # noqa: F403
from .perceptron import *  # noqa: F403
from .quadratic import *  # noqa: F403
from .recommendations import *  # noqa: F403
from .registry import *  # noqa: F403
from .residual import *  # noqa: F403
from .run import *  # noqa: F403
from .satisfiability import *  # noqa: F403
from .scale import *  # noqa: F403
from .schedules import *  # noqa: F403
from .searching import *  # noqa: F403
from .sgd import *  # noqa: F403
from .sign_steps import *  # noqa: F403
from .slides import *  # noqa: F403
from .stack import *  # noqa: F403
from .stopping import *  # noqa: F403
from .surfaces import *  # noqa: F403
from .weight_averages import *  # noqa: F403
from .xor_surface import *  # noqa: F403
