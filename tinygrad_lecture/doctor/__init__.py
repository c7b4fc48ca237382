"""`diagnose`: what is installed, what can be drawn, on what it runs, and what to install."""

from __future__ import annotations

from .diagnosis import Diagnosis, diagnose
from .extras import Extra, Package
from .machine import Blas
from .pictures import Picture

__all__ = ["Blas", "Diagnosis", "Extra", "Package", "Picture", "diagnose"]
