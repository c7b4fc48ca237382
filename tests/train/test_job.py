"""The whole job: files, models that load, resume, changed data; digits and toys learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import (
    Callback,
    Run,
    Settings,
    load_archive,
    load_model,
    predict,
    resume_classifier,
    train_classifier,
)
from tinygrad_lecture.train.job import FILES


def small(**given: Any) -> Settings:
    return Settings.of("moons", **{"hidden": (4,), "epochs": 3, "batch": 100, **given})


def test_the_files_and_the_report(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "moons"
    report = train_classifier(small(), out)
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert report.files == {name: str(out / name) for name in FILES}
    assert (report.reason, report.message, report.epochs) == ("finished", "", 3)
    assert report.samples == {"train": 700, "validation": 150, "test": 150}
    assert report.sizes == [2, 4, 2]
    assert report.parameters == 3 * 4 + 5 * 2
    assert report.confusion is not None
    assert report.confusion.sum() == 150
    assert report.test_accuracy == report.confusion.trace() / 150
    assert len((out / "metrics.csv").read_text().splitlines()) == 4
    config = json.loads((out / "config.json").read_text())
    assert config["settings"]["hidden"] == [4]
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["settings"]["dataset"] == "moons"
    assert plain["confusion"] == report.confusion.tolist()


def test_the_saved_model_gives_the_accuracy_that_was_reported(tmp_path: Path) -> None:
    report = train_classifier(small(), tmp_path)
    X, y = tg.data.load("moons").test[:]
    for path in (tmp_path, tmp_path / "model.npz"):
        model = load_model(path)
        assert not model.training
        assert np.mean(predict(model, X).argmax(axis=1) == y) == report.test_accuracy


def test_the_same_settings_give_the_same_weights_and_another_seed_gives_others(
    tmp_path: Path,
) -> None:
    models = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_classifier(small(seed=seed), tmp_path / name)
        models.append(load_model(tmp_path / name).state_dict())
    for key, array in models[0].items():
        assert array.tobytes() == models[1][key].tobytes()
    assert (models[0]["1.weight"] != models[2]["1.weight"]).all()


def test_resume_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_step(self, run: Run) -> None:
            if run.step == 24:
                raise KeyboardInterrupt

    train_classifier(small(epochs=6), tmp_path / "whole")
    report = train_classifier(small(epochs=6), tmp_path / "parts", callbacks=[Stop()])
    assert (report.reason, report.epochs) == ("interrupted", 3)
    assert report.test_accuracy is not None
    report = resume_classifier(tmp_path / "parts")
    assert (report.reason, report.epochs) == ("finished", 6)
    for name in ("metrics.csv", "config.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    for name, kind in (("model.npz", "model"), ("checkpoint.npz", "checkpoint")):
        a, b = (load_archive(tmp_path / part / name, kind) for part in ("whole", "parts"))
        assert repr(a) == repr(b)
    a, b = (load_model(tmp_path / part).state_dict() for part in ("whole", "parts"))
    assert all(a[key].tobytes() == b[key].tobytes() for key in a)


def test_an_interrupt_before_the_first_epoch_keeps_no_model_but_can_be_resumed(
    tmp_path: Path,
) -> None:
    class Stop(Callback):
        def on_step(self, run: Run) -> None:
            raise KeyboardInterrupt

    report = train_classifier(small(), tmp_path, callbacks=[Stop()])
    assert report.best_epoch is None
    assert report.test_accuracy is None
    assert sorted(report.files) == ["checkpoint.npz", "config.json", "metrics.csv"]
    assert resume_classifier(tmp_path).epochs == 3


def test_a_diverging_run_keeps_the_best_model(tmp_path: Path) -> None:
    class Spoil(Callback):
        def on_epoch(self, run: Run) -> None:
            if run.epoch == 2:
                run.optimizer.param_groups[0]["lr"] = 1e200

    with np.errstate(all="ignore"):
        report = train_classifier(small(), tmp_path, callbacks=[Spoil()])
    assert (report.reason, report.epochs) == ("diverged", 2)
    assert report.message.startswith("the loss is ")
    assert "epoch 3" in report.message
    assert report.best_epoch in (1, 2)
    assert np.isfinite(load_model(tmp_path).state_dict()["1.weight"]).all()


def test_a_folder_with_a_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    train_classifier(small(epochs=2), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"already holds a run .*--resume .*--overwrite, .*--out"):
        train_classifier(small(), tmp_path)
    report = train_classifier(small(epochs=1), tmp_path, overwrite=True)
    assert report.epochs == 1
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write into .*file"):
        train_classifier(small(), tmp_path / "file" / "run")


def test_resume_refuses_changed_settings_data_and_folders_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no run to resume: there is no config\.json"):
        resume_classifier(tmp_path)
    train_classifier(small(), tmp_path)
    with pytest.raises(UsageError, match=r"lr was 0\.05 when .* got 0\.1; .* only epochs may"):
        resume_classifier(tmp_path, lr=0.1)
    with pytest.raises(UsageError, match=r"hidden was 4 when .* got 8,8;"):
        resume_classifier(tmp_path, hidden=(8, 8))
    with pytest.raises(
        UsageError, match=r"epochs must be at least 3, which .* has finished; got 2"
    ):
        resume_classifier(tmp_path, epochs=2)
    assert resume_classifier(tmp_path, epochs=4, lr=0.05, dataset="moons").epochs == 4
    assert json.loads((tmp_path / "config.json").read_text())["settings"]["epochs"] == 4

    config = tmp_path / "config.json"
    good = json.loads(config.read_text())
    config.write_text(json.dumps({**good, "fingerprint": 1}))
    with pytest.raises(UsageError, match="the data of moons are not those that the run"):
        resume_classifier(tmp_path)
    for text, message in [
        ("{", r"config\.json cannot be read"),
        ("[]", r"config\.json is not the configuration of a run"),
        ("{}", r"config\.json is not a configuration that can be read"),
        (json.dumps({"settings": {**good["settings"], "lr": -1.0}}), r"config\.json .* lr must be"),
        (json.dumps({"settings": {**good["settings"], "lr": "x"}}), r"config\.json is not a conf"),
    ]:
        config.write_text(text)
        with pytest.raises(UsageError, match=message):
            resume_classifier(tmp_path)


def test_a_damaged_or_swapped_checkpoint_is_refused(tmp_path: Path) -> None:
    train_classifier(small(), tmp_path / "a")
    train_classifier(small(hidden=(5,)), tmp_path / "b")
    checkpoint = tmp_path / "a" / "checkpoint.npz"
    good = checkpoint.read_bytes()
    checkpoint.write_bytes((tmp_path / "b" / "checkpoint.npz").read_bytes())
    with pytest.raises(UsageError, match="belongs to another run: hidden differ from config"):
        resume_classifier(tmp_path / "a")
    checkpoint.write_bytes((tmp_path / "a" / "model.npz").read_bytes())
    with pytest.raises(UsageError, match="is a model, a checkpoint is needed"):
        resume_classifier(tmp_path / "a")
    checkpoint.write_bytes(good[:-100])
    with pytest.raises(UsageError, match="truncated"):
        resume_classifier(tmp_path / "a")
    checkpoint.unlink()
    with pytest.raises(UsageError, match="does not exist"):
        resume_classifier(tmp_path / "a")


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    train_classifier(small(), tmp_path)
    with pytest.raises(UsageError, match="is a checkpoint, a model is needed"):
        load_model(tmp_path / "checkpoint.npz")
    tree = load_archive(tmp_path / "model.npz", "model")
    for broken in ({}, {**tree, "sizes": [2, 5, 2]}, {**tree, "dtype": "nonsense"}):
        tg.train.save_archive(tmp_path / "broken.npz", "model", broken)
        with pytest.raises(UsageError, match="is not a model that can be read"):
            load_model(tmp_path / "broken.npz")


def idx_folder(folder: Path, train: int = 300, test: int = 60) -> None:
    """Images of 6×6 bytes in MNIST's form: class c has a bright row c, the border is constant."""
    rng = np.random.default_rng(0)
    for part, n in (("train", train), ("t10k", test)):
        labels = rng.integers(4, size=n).astype(np.uint8)
        images = np.zeros((n, 6, 6), np.uint8)
        images[:, 1:5, 1:5] = rng.integers(0, 100, (n, 4, 4))
        images[np.arange(n), labels + 1, 1:5] = rng.integers(150, 256, (n, 4))
        tg.data.write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        tg.data.write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)


def test_a_folder_of_idx_files_is_learned_in_float32(tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    idx_folder(source)
    settings = Settings.of(str(source), hidden=(16,), epochs=10)
    report = train_classifier(settings, tmp_path / "out")
    assert report.samples == {"train": 270, "validation": 30, "test": 60}
    assert report.sizes == [36, 16, 4]
    assert report.test_accuracy == 1.0
    weights = load_model(tmp_path / "out").state_dict()
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    idx_folder(source, train=200)
    with pytest.raises(UsageError, match="are not those that the run"):
        resume_classifier(tmp_path / "out")


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_digits_with_the_default_recipe(tmp_path: Path, seed: int) -> None:
    report = train_classifier(Settings.of("digits", seed=seed), tmp_path)
    assert report.test_accuracy is not None
    assert report.test_accuracy >= 0.965
    assert report.samples["test"] == 269
    assert report.seconds < 60


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_xor_with_the_default_recipe(tmp_path: Path, seed: int) -> None:
    assert train_classifier(Settings.of("xor", seed=seed), tmp_path).test_accuracy == 1.0


@pytest.mark.parametrize("name", ["moons", "circles", "spirals"])
def test_toys_with_the_default_recipe(tmp_path: Path, name: str) -> None:
    report = train_classifier(Settings.of(name), tmp_path)
    assert report.test_accuracy is not None
    assert report.test_accuracy >= 0.98


def test_a_linear_classifier_cannot_do_xor(tmp_path: Path) -> None:
    # L02: at most 3 of the 4 points.
    report = train_classifier(Settings.of("xor", hidden=()), tmp_path)
    assert report.sizes == [2, 2]
    assert report.test_accuracy is not None
    assert report.test_accuracy <= 0.75


@pytest.mark.slow
def test_the_default_recipe_reads_digits(tmp_path: Path) -> None:
    """The recipe was chosen on folds of the other two parts, never on the test part."""
    accuracies = []
    for seed in range(5):
        report = train_classifier(Settings.of("digits", seed=seed), tmp_path / str(seed))
        accuracies.append(report.test_accuracy or 0.0)
    assert np.mean(accuracies) >= 0.975, accuracies
