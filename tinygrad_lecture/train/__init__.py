"""Training: the fit loop, evaluation, checkpoints, progress, and the command line's job."""

from __future__ import annotations

from . import babysit, search
from .archive import load_archive, save_archive
from .checkpoint import (
    Checkpoint,
    CheckpointManager,
    load_checkpoint,
    restore_checkpoint,
    save_checkpoint,
)
from .csv_log import MetricsCSV
from .curves import diagnose_curve, diagnose_gap
from .ensemble import Ensemble, train_ensemble
from .evaluate import evaluate, predict
from .job import Report, load_model, resume_classifier, train_classifier
from .loop import fit
from .lr_finder import LRRange, lr_range_test
from .metrics import accuracy, confusion_matrix, format_confusion
from .monitor import Monitor, analyze, look
from .progress import Progress, ProgressBar
from .run import Best, Callback, DivergenceError, Run
from .scheduling import Scheduling
from .seeds import ErrorBar, error_bar, over_seeds
from .settings import Settings
from .sharpness import sharpness
from .snapshots import SnapshotEnsemble
from .stopping import EarlyStopping, Patience, Standstill
from .trials import SerialExecutor, TrialError, WorkerDeathError, local_processes, run_trials

__all__ = [
    "Best",
    "Callback",
    "Checkpoint",
    "CheckpointManager",
    "DivergenceError",
    "EarlyStopping",
    "Ensemble",
    "ErrorBar",
    "LRRange",
    "MetricsCSV",
    "Monitor",
    "Patience",
    "Progress",
    "ProgressBar",
    "Report",
    "Run",
    "Scheduling",
    "SerialExecutor",
    "Settings",
    "SnapshotEnsemble",
    "Standstill",
    "TrialError",
    "WorkerDeathError",
    "accuracy",
    "analyze",
    "babysit",
    "confusion_matrix",
    "diagnose_curve",
    "diagnose_gap",
    "error_bar",
    "evaluate",
    "fit",
    "format_confusion",
    "load_archive",
    "load_checkpoint",
    "load_model",
    "local_processes",
    "look",
    "lr_range_test",
    "over_seeds",
    "predict",
    "restore_checkpoint",
    "resume_classifier",
    "run_trials",
    "save_archive",
    "save_checkpoint",
    "search",
    "sharpness",
    "train_classifier",
    "train_ensemble",
]
