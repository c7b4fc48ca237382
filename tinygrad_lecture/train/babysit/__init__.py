"""The babysitting list: checks before and while a network is trained (lecture L61 to L65).

After cs231n (2017), lecture 6. Each check leaves the model as it was and returns a `Finding`.
"""

from __future__ import annotations

from ..curves import diagnose_gap
from .before import check_initial_loss, check_inputs, check_regularization, overfit_tiny
from .during import check_gap, check_update_ratio
from .finding import Finding
from .rates import Probe, calibrate_lr, probe_lr
from .walk import CHECKS, walk

__all__ = [
    "CHECKS", "Finding", "Probe", "calibrate_lr", "check_gap", "check_initial_loss", "check_inputs",
    "check_regularization", "check_update_ratio", "diagnose_gap", "overfit_tiny", "probe_lr",
    "walk",
]  # fmt: skip
