"""The compiler: code in single scalars at the speed of hand-written NumPy."""

from ..engine.recording import RecordingError
from .compile import Compiled, compile
from .replay import BranchError, Recorded, record

__all__ = ["BranchError", "Compiled", "Recorded", "RecordingError", "compile", "record"]
