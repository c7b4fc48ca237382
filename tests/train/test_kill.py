"""SIGKILL at any moment: the checkpoint loads, and the run goes on bit for bit."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lecture.train import Settings, load_checkpoint, resume_classifier, train_classifier

SETTINGS = {"hidden": (4,), "batch": 50, "optimizer": "adam", "dropout": 0.2, "batch_norm": True}


@pytest.mark.slow
@pytest.mark.parametrize("compile", [True, False])
def test_killed_at_twenty_random_times_it_goes_on_bit_for_bit(
    tmp_path: Path, compile: bool
) -> None:
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    program = "import sys; from tinygrad_lecture.cli import main; sys.exit(main(sys.argv[1:]))"
    flags = [] if compile else ["--no-compile"]
    first = ["moons", "--hidden", "4", "--batch", "50", "--optimizer", "adam", "--dropout", "0.2"]
    rng = np.random.default_rng(0)
    checkpoint = cut / "checkpoint.npz"
    reached = []
    for k in range(20):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        more = ["--resume", str(cut)] if checkpoint.exists() else [*first, "--batch-norm", "--out", str(cut), "--overwrite"]  # fmt: skip
        command = [sys.executable, "-c", program, "train", *more, "--epochs", "100000", *flags]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            if k % 2:  # while it writes checkpoints, however slow the machine is
                until = time.monotonic() + 60
                while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
                    assert time.monotonic() < until
                    time.sleep(0.01)
                time.sleep(rng.uniform(0.0, 0.3))
            else:  # also before there is anything to keep
                time.sleep(rng.uniform(0.2, 1.5))
            assert child.poll() is None, child.communicate()
            child.kill()
        if checkpoint.exists():
            reached.append(load_checkpoint(checkpoint)["epoch"])
    assert reached == sorted(reached)
    assert len(set(reached)) > 5
    epochs = reached[-1] + 2
    resume_classifier(cut, epochs=epochs, compile=compile)
    train_classifier(Settings.of("moons", epochs=epochs, **SETTINGS), whole, compile=compile)
    for name in ("metrics.csv", "config.json", "checkpoint.npz", "model.npz"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
