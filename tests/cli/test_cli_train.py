"""``tinygrad-lecture train``: output, files, errors, Ctrl-C, kill, resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.cli import main
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import load_archive, load_checkpoint, load_model, predict
from tinygrad_lecture.train.job import FILES

SHORT = ["--epochs", "2", "--hidden", "4", "--no-pictures"]


def test_the_text_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "spirals", *SHORT, "--out", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == (
        "spirals: 700 train, 150 validation, 150 test samples; network 2-4-3, 27 parameters"
    )
    assert lines[1].startswith("finished after 2 of 2 epochs, ")
    assert lines[2].startswith("test accuracy 0.")
    assert lines[4].split() == ["true\\predicted", "0", "1", "2", "found"]
    assert lines[-5:] == [f"wrote {tmp_path / 'run' / name}" for name in FILES]
    counts = np.array(
        [[int(c.replace(".", "0")) for c in line.split()[1:4]] for line in lines[5:8]]
    )
    assert counts.sum() == 150
    assert f"({counts.trace()} of 150)" in lines[2]


def test_the_default_folder_is_runs_and_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "xor", *SHORT]) == 0
    assert sorted(path.name for path in Path("runs", "xor").iterdir()) == sorted(FILES)
    capsys.readouterr()
    assert main(["train", "xor", *SHORT]) == 2
    assert "runs/xor already holds a run" in capsys.readouterr().err
    assert main(["train", "xor", *SHORT, "--overwrite"]) == 0


def test_json_is_one_object_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "moons", *SHORT, "--seed", "3", "--lr", "0.2", "--momentum", "0.5"]
    arguments += ["--weight-decay", "0.01", "--batch", "50", "--out", str(tmp_path), "--json"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    report = json.loads(captured.out)
    assert report["settings"] == {
        "dataset": "moons", "hidden": [4], "epochs": 2, "lr": 0.2, "batch": 50,
        "momentum": 0.5, "weight_decay": 0.01, "seed": 3, "optimizer": "sgd",
        "init": "kaiming_uniform", "activation": "relu", "batch_norm": False, "residual": False,
        "dropout": 0.0, "schedule": "constant", "ema": 0.0, "early_stopping": 0, "monitor": None,
    }  # fmt: skip
    assert report["reason"] == "finished"
    assert report["files"]["model.npz"] == str(tmp_path / "model.npz")
    confusion = np.array(report["confusion"])
    assert report["test_accuracy"] == confusion.trace() / confusion.sum()


def test_xor_is_learned_with_default_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "xor", "--out", str(tmp_path)]) == 0
    assert "test accuracy 1.0000 (4 of 4)" in capsys.readouterr().out


def test_hidden_none_is_a_linear_classifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["train", "moons", "--hidden", "none", "--epochs", "1", "--out", str(tmp_path)]) == 0
    )
    assert "network 2-2, 6 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "DATASET is missing: digits, moons, circles, spirals, xor or a folder"),
        (["digit"], "unknown data set 'digit': did you mean 'digits'?"),
        (["no/such/folder"], "unknown data set 'no/such/folder'"),
        (["xor", "--lr", "-0.1"], "lr must be a positive number; got -0.1"),
        (["xor", "--lr", "fast"], "argument --lr: invalid float value: 'fast'"),
        (["xor", "--batch", "0"], "batch must be at least 1; got 0"),
        (["xor", "--batch", "2.5"], "argument --batch: invalid int value: '2.5'"),
        (["xor", "--epochs", "0"], "epochs must be at least 1; got 0"),
        (["xor", "--hidden", "64,,32"], "widths separated by commas (64,32) or none are needed"),
        (["xor", "--hidden", "wide"], "got 'wide'"),
        (["xor", "--hidden", "8,-1"], "hidden must be widths of at least 1, as in 64,32; got 8,-1"),
        (["xor", "--momentum", "1"], "momentum must be at least 0 and below 1; got 1.0"),
        (["xor", "--weight-decay", "-1"], "weight_decay must be a number of at least 0; got -1.0"),
        (["xor", "--seed", "-3"], "seed must be at least 0; got -3"),
        (
            ["xor", "--optimizer", "adm"],
            "unknown optimizer 'adm': did you mean 'adam'? it is one of",
        ),
        (
            ["xor", "--init", "he"],
            "unknown init 'he': it is one of kaiming_uniform, kaiming_normal",
        ),
        (["xor", "--activation", "rleu"], "unknown activation 'rleu': did you mean 'relu'?"),
        (["xor", "--dropout", "1"], "dropout must be at least 0 and below 1; got 1.0"),
        (["xor", "--early-stopping", "-1"], "early_stopping must be at least 0 epochs"),
        (["xor", "--schedule", "cosin"], "unknown schedule 'cosin': did you mean 'cosine'?"),
        (["xor", "--ema", "1.0"], "ema must be at least 0 (none) and below 1"),
        (["xor", "--monitor", "-1"], "monitor must be at least 0 steps"),
        (["--resume", "DIR"], "DIR holds no run to resume: there is no config.json in it"),
        (["--resume", "DIR", "--out", "x"], "--out does not go with --resume"),
        (["--resume", "DIR", "--overwrite"], "--overwrite does not go with --resume"),
    ],
)
def test_bad_flags_are_one_clear_line_and_exit_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tinygrad-lecture: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["train", "xor", "--out", str(tmp_path / "file")]) == 2
    assert main(["train", "xor", "--out", str(tmp_path / "file" / "below")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all("cannot write into" in line for line in errors)


def test_a_folder_of_damaged_idx_files_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0")
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(b"")
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "train-images-idx3-ubyte" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_is_found_again_from_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 3)).astype(np.uint8)
    (tmp_path / "images").mkdir()
    for part in ("train", "t10k"):
        tg.data.write_idx(tmp_path / "images" / f"{part}-images-idx3-ubyte", images)
        labels = (images[:, 0, 0] > 127).astype(np.uint8)
        tg.data.write_idx(tmp_path / "images" / f"{part}-labels-idx1-ubyte", labels)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "images", *SHORT]) == 0
    monkeypatch.chdir("/")
    run = tmp_path / "runs" / "images"
    assert main(["train", str(tmp_path / "images"), "--resume", str(run), "--epochs", "3"]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'images'}: 36 train, 4 validation, 40 test samples" in out
    assert "finished after 3 of 3 epochs" in out


def test_resume_goes_on_to_more_epochs_and_refuses_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    assert main(["train", "moons", "--hidden", "4", "--epochs", "4", "--out", whole]) == 0
    assert main(["train", "moons", "--hidden", "4", "--epochs", "2", "--out", parts]) == 0
    assert main(["train", "circles", "--resume", parts]) == 2
    assert main(["train", "--resume", parts, "--hidden", "8"]) == 2
    assert main(["train", "moons", "--resume", parts, "--epochs", "4", "--hidden", "4"]) == 0
    error = capsys.readouterr().err.splitlines()
    assert "dataset was moons when" in error[0]
    assert "hidden was 4 when" in error[1]
    same_files(tmp_path / "whole", tmp_path / "parts")


def test_a_diverging_run_says_so_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "digits", "--lr", "1e30", "--epochs", "3", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1].startswith("diverged after 0 of 3 epochs")
    assert "no epoch was finished, so there is no model to test or keep" in captured.out
    assert captured.err.startswith("tinygrad-lecture: the loss is ")
    assert "(epoch 1, batch" in captured.err


def same_files(a: Path, b: Path) -> None:
    """Metrics and configuration equal as bytes, archives equal bit for bit in content."""
    for name in ("metrics.csv", "config.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes()
    for name, kind in (("model.npz", "model"), ("checkpoint.npz", "checkpoint")):
        np.testing.assert_equal(load_archive(b / name, kind), load_archive(a / name, kind))


def start(*arguments: str) -> subprocess.Popen[str]:
    root = str(Path(tg.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lecture", "train", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip


def wait_for_rows(log: Path, rows: int, process: Any) -> None:
    deadline = time.monotonic() + 60
    while not log.exists() or log.read_bytes().count(b"\n") <= rows:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_ctrl_c_keeps_the_best_model_and_resume_goes_on_bit_for_bit(tmp_path: Path) -> None:
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    flags = ["spirals", "--hidden", "8", "--no-pictures"]
    with start(*flags, "--epochs", "100000", "--out", str(cut)) as process:
        wait_for_rows(cut / "metrics.csv", 5, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == ""
    assert "interrupted after " in out.splitlines()[1]
    assert "test accuracy 0." in out
    finished = load_checkpoint(cut / "checkpoint.npz")["epoch"]
    assert finished >= 4  # the row of an epoch is written before its checkpoint
    X, _ = tg.data.load("spirals").test[:]
    assert np.isfinite(predict(load_model(cut), X)).all()

    epochs = str(finished + 3)
    assert main(["train", "--resume", str(cut), "--epochs", epochs, "--no-pictures"]) == 0
    assert main(["train", *flags, "--epochs", epochs, "--out", str(whole)]) == 0
    same_files(whole, cut)


def test_killed_at_any_moment_it_can_be_resumed_bit_for_bit(tmp_path: Path) -> None:
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    flags = ["moons", "--hidden", "4", "--no-pictures"]
    delays = np.random.default_rng(0).uniform(0, 0.05, 4)
    for attempt, delay in enumerate(delays):
        go_on = ["--resume", str(cut), "--epochs", "100000"]
        first = [*flags, "--epochs", "100000", "--out", str(cut)]
        with start(*(go_on if attempt else first)) as process:
            done = load_checkpoint(cut / "checkpoint.npz")["epoch"] if attempt else 0
            wait_for_rows(cut / "metrics.csv", done + 2, process)
            time.sleep(delay)
            process.kill()
            process.communicate(timeout=60)
        assert load_checkpoint(cut / "checkpoint.npz")["epoch"] > done
    epochs = str(load_checkpoint(cut / "checkpoint.npz")["epoch"] + 2)
    assert main(["train", "--resume", str(cut), "--epochs", epochs, "--no-pictures"]) == 0
    assert main(["train", *flags, "--epochs", epochs, "--out", str(whole)]) == 0
    same_files(whole, cut)
    assert sorted(path.name for path in cut.iterdir()) == sorted(FILES)


def test_all_parts_by_name_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["moons", "--hidden", "8,8", "--optimizer", "adam", "--lr", "0.01", "--init"]
    flags += ["xavier_normal", "--activation", "tanh", "--batch-norm", "--residual"]
    flags += ["--dropout", "0.1", "--monitor", "20"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(["train", *flags, "--epochs", "4", "--out", str(whole)]) == 0
    assert main(["train", *flags, "--epochs", "2", "--out", str(parts)]) == 0
    assert main(["train", "--resume", str(parts), "--epochs", "4"]) == 0
    capsys.readouterr()
    same_files(whole, parts)
    for name in ("monitor.csv", "metrics.csv"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    text = repr(load_model(whole))
    for part in ("Tanh()", "BatchNorm1d(8", "Dropout(p=0.1)", "Shortcut("):
        assert part in text
    assert "0 (" not in (whole / "monitor.csv").read_text()


@pytest.mark.parametrize("name", tg.train.choices.SCHEDULES)
def test_schedules_and_averages_resume_bit_for_bit(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = ["moons", "--no-pictures", "--hidden", "8", "--schedule", name, "--ema", "0.9"]
    stop_after = StopAfter(2)
    assert main(["train", *flags, "--epochs", "5", "--out", str(whole)]) == 0
    settings = tg.train.Settings.of("moons", hidden=(8,), schedule=name, ema=0.9, epochs=5)
    tg.train.train_classifier(settings, parts, callbacks=[stop_after])
    assert main(["train", "--resume", str(parts), "--no-pictures"]) == 0
    capsys.readouterr()
    same_files(whole, parts)
    assert (whole / "metrics.csv").read_bytes() == (parts / "metrics.csv").read_bytes()


class StopAfter(tg.train.Callback):
    """Ctrl-C after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch(self, run: Any) -> None:
        if run.epoch == self.epochs:
            raise KeyboardInterrupt


def test_early_stopping_ends_well_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "moons", "--hidden", "none", "--epochs", "200", "--early-stopping", "3"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("no progress in val_loss for 3 epochs after ")


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    for name, rate in (("a", "0.1"), ("b", "0.2")):
        assert main(["train", "xor", *SHORT, "--lr", rate, "--out", str(tmp_path / name)]) == 0
    (tmp_path / "b" / "checkpoint.npz").replace(tmp_path / "a" / "checkpoint.npz")
    with pytest.raises(UsageError, match="belongs to another run: lr differ"):
        tg.train.resume_classifier(tmp_path / "a", epochs=4)


def test_a_run_that_ended_before_its_first_checkpoint_starts_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        assert main(["train", "xor", *SHORT, "--out", str(folder)]) == 0
    (cut / "checkpoint.npz").unlink()
    assert main(["train", "--resume", str(cut)]) == 2  # a model is there: something was lost
    assert "checkpoint.npz" in capsys.readouterr().err
    (cut / "model.npz").unlink()
    assert main(["train", "--resume", str(cut), "--no-pictures"]) == 0
    same_files(whole, cut)
