"""fit: forms of data, schedulers, averages, ends of all kinds, resume after any step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import (
    Callback,
    Checkpoint,
    DivergenceError,
    Run,
    Scheduling,
    fit,
    load_checkpoint,
)

X = np.random.default_rng(3).normal(size=(50, 3))
Y = (X.sum(axis=1) > 0).astype(int)


def network(seed: int = 0) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(3, 8, rng=rng), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2, rng=seed),
        nn.Linear(8, 2, rng=rng),
    )  # fmt: skip


def bits(tree: Any) -> Any:
    """A tree with all floats and arrays as bytes, so that == is equality to the last bit."""
    if isinstance(tree, Mapping):
        return {str(key): bits(item) for key, item in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [bits(item) for item in tree]
    return np.asarray(tree).tobytes() if isinstance(tree, (float, np.ndarray)) else tree


class Halve:
    """The smallest scheduler."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer, self.steps = optimizer, 0

    def step(self) -> None:
        self.steps += 1
        self.optimizer.param_groups[0]["lr"] *= 0.5

    def state_dict(self) -> dict[str, int]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.steps = state["steps"]


class Plateau(Halve):
    def step(self, metrics: float, epoch: int | None = None) -> None:  # type: ignore[override]
        self.seen = [*getattr(self, "seen", []), metrics]


class Interrupt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Run) -> None:
        if run.step == self.step:
            raise KeyboardInterrupt


def test_arrays_a_dataset_and_a_loader_give_the_same() -> None:
    dataset = tg.data.Dataset(X, Y, n_classes=2)
    weights = []
    for data in ((X, Y), dataset, tg.data.DataLoader(dataset, 16, seed=4)):
        # a loader goes on from epoch to epoch: it must not be the validation data too
        model = network()
        run = fit(
            model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), data, (X, Y), epochs=2,
            batch_size=16, seed=4,
        )  # fmt: skip
        weights.append(bits(model.state_dict()))
        assert run.step == 2 * 4
    assert weights[0] == weights[1] == weights[2]


def test_without_a_batch_size_it_is_gradient_descent_on_all_rows() -> None:
    model = nn.Linear(3, 1, rng=0)
    target = X @ np.array([[1.0], [2.0], [3.0]])
    design = X.T @ X / len(X)
    before = model.weight.data - np.array([[1.0, 2.0, 3.0]]), model.bias
    assert before[1] is not None
    rest = X @ before[0].T + before[1].data
    gradient = 2 * rest.T @ X / len(X)
    expected = model.weight.data - 0.1 * gradient
    fit(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), (X, target), epochs=1)
    np.testing.assert_allclose(model.weight.data, expected, rtol=1e-12)
    assert design.shape == (3, 3)


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize(("interval", "rates"), [("epoch", [8, 4, 2]), ("step", [2, 0.5, 0.125])])
def test_a_scheduler_is_stepped_and_counts_in_the_next_step(
    interval: Any, rates: list[float], compile: bool
) -> None:
    model = nn.Linear(1, 1, bias=False, rng=0)
    model.load_state_dict({"weight": [[0.0]]})
    optimizer = optim.SGD(model.parameters(), lr=8.0)
    seen = []

    class Watch(Callback):
        def on_step(self, run: Run) -> None:
            seen.append(model.weight.data.item())

    run = fit(
        model, lambda out, y: (out * y).sum(), optimizer, [(np.ones((1, 1)), -np.ones((1, 1)))] * 2,
        epochs=3, scheduler=Halve(optimizer), interval=interval, callbacks=[Watch()],
        compile=compile,
    )  # fmt: skip
    assert [row["lr"] for row in run.history] == rates
    moved = np.diff([0.0, *seen])  # each step moves by the rate that holds before it
    expected = [8, 8, 4, 4, 2, 2] if interval == "epoch" else [8, 4, 2, 1, 0.5, 0.25]
    np.testing.assert_array_equal(moved, expected)


def test_a_scheduler_that_needs_a_metric_gets_the_monitored_one() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    plateau = Plateau(optimizer)
    run = fit(
        model, nn.CrossEntropyLoss(), optimizer, (X, Y), (X, Y), epochs=3, scheduler=plateau
    )  # fmt: skip
    assert plateau.seen == [row["val_loss"] for row in run.history]
    with pytest.raises(UsageError, match=r'Plateau needs a metric.*use interval="epoch"'):
        Scheduling(plateau, "step")
    with pytest.raises(UsageError, match='interval is "epoch" or "step", got \'batch\''):
        Scheduling(plateau, "batch")


class Ema:
    """Average with the decay ½."""

    def __init__(self, model: nn.Module) -> None:
        self.module = network(9)
        self.module.load_state_dict(model.state_dict())

    def update_parameters(self, model: nn.Module) -> None:
        old, new = self.module.state_dict(), model.state_dict()
        self.module.load_state_dict({k: 0.5 * old[k] + 0.5 * new[k] for k in old})

    def state_dict(self) -> Any:
        return self.module.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.module.load_state_dict(state)


def test_an_average_is_what_is_validated_and_kept() -> None:
    model = network()
    average, optimizer = Ema(model), optim.SGD(model.parameters(), lr=0.1)
    history: list[dict[str, Any]] = []

    class Watch(Callback):
        def on_step(self, run: Run) -> None:
            history.append(model.state_dict())

    start = average.state_dict()
    run = fit(
        model, nn.CrossEntropyLoss(), optimizer, (X, Y), (X, Y), epochs=1, average=average,
        callbacks=[Watch()],
    )  # fmt: skip
    assert run.best is not None
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, 0.5 * start[name] + 0.5 * history[0][name])
    loss = tg.train.evaluate(average.module, [(X, Y)], nn.CrossEntropyLoss())["loss"]
    assert run.history[0]["val_loss"] == loss


def test_restore_best_false_leaves_the_last_weights() -> None:
    last: dict[str, Any] = {}

    class Watch(Callback):
        def on_step(self, run: Run) -> None:
            last.update(run.model.state_dict())

    model = network()
    optimizer = optim.SGD(model.parameters(), lr=30.0)  # jumps about: the last is not the best
    run = fit(
        model, nn.CrossEntropyLoss(), optimizer, (X, Y), (X, Y), epochs=20, restore_best=False,
        callbacks=[Watch()],
    )  # fmt: skip
    assert run.best is not None
    assert run.best.epoch < 20
    assert bits(model.state_dict()) == bits(last)


def test_an_error_in_the_middle_still_leaves_the_best_weights_and_is_raised() -> None:
    ended = []

    class Break(Callback):
        def on_step(self, run: Run) -> None:
            if run.epoch == 2:
                raise MemoryError("no more")

        def on_end(self, run: Run) -> None:
            assert run.best is not None
            ended.append((run.reason, bits(run.model.state_dict()) == bits(run.best.weights)))

    model = network()
    with pytest.raises(MemoryError, match="no more"):
        fit(
            model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), (X, Y), epochs=5,
            callbacks=[Break()],
        )  # fmt: skip
    assert ended == [("failed", True)]


def test_callbacks_that_were_not_started_are_not_ended(tmp_path: Path) -> None:
    ended = []

    class Never(Callback):
        last = True

        def on_end(self, run: Run) -> None:
            ended.append(run)

    model = network()
    with pytest.raises(UsageError, match="cannot write"):
        fit(
            model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), (X, Y), epochs=5,
            callbacks=[Checkpoint(tmp_path / "gone" / "c.npz"), Never()],
        )  # fmt: skip
    assert ended == []


def test_weights_that_hold_nan_are_never_the_best() -> None:
    # The training loss of the second epoch is finite: it is taken before the step that spoils.
    model = nn.Linear(1, 1, bias=False, rng=0)

    class Spoil(Callback):
        def on_step(self, run: Run) -> None:
            if run.epoch == 1:
                model.weight.data = np.full((1, 1), np.nan)

    run = fit(
        model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1),
        (np.ones((1, 1)), np.zeros((1, 1))), epochs=2, callbacks=[Spoil()],
    )  # fmt: skip
    assert run.history[1]["train_loss"] < run.history[0]["train_loss"]
    assert run.best is not None
    assert run.best.epoch == 1
    assert np.isfinite(model.weight.data).all()


@pytest.mark.parametrize("compile", [True, False])
def test_a_nan_in_the_inputs_is_named_with_its_place(compile: bool) -> None:
    bad = X.copy()
    bad[7, 1] = np.nan
    model = network()
    with pytest.raises(DivergenceError) as caught:
        fit(
            model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1),
            [(X, Y), (bad, Y)], epochs=3, compile=compile,
        )  # fmt: skip
    error = caught.value
    assert (error.step, error.epoch, error.batch) == (2, 1, 2)
    assert error.cause == "the inputs of the batch hold nan at [7, 1]"
    assert str(error) == f"the loss is nan at step 2 (epoch 1, batch 2): {error.cause}"


@pytest.mark.parametrize("compile", [True, False])
def test_an_update_that_is_not_finite_is_told_with_the_parameter(compile: bool) -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Linear(4, 2, rng=1))
    loss = nn.CrossEntropyLoss()
    with pytest.raises(DivergenceError) as caught:
        fit(
            model, lambda out, y: 1e300 * loss(out, y), optim.SGD(model.parameters(), lr=1e300),
            [(X, Y)], epochs=3, compile=compile,
        )  # fmt: skip
    assert caught.value.cause.startswith("parameter 0.weight was not finite any more after step 1")


class LogOfKept(nn.Module):
    """log of a number that dropout sets to 0 in some steps only."""

    def __init__(self) -> None:
        self.w = nn.Parameter(np.ones(1))
        self.drop = nn.Dropout(0.3, rng=1)

    def forward(self, x: Any) -> Any:
        return tg.log(self.drop(self.w * x))


@pytest.mark.parametrize("compile", [True, False])
def test_the_first_bad_op_is_found_with_the_random_numbers_of_the_step(compile: bool) -> None:
    model = LogOfKept()
    draws = np.random.default_rng(1).random(30) < 0.3
    first = int(np.flatnonzero(draws)[0])
    assert first > 0
    with pytest.raises(DivergenceError) as caught:
        fit(
            model, lambda out, y: (out * out).sum(), optim.SGD(model.parameters(), lr=0.01),
            [(np.ones(1), np.zeros(1))] * 30, epochs=1, compile=compile,
        )  # fmt: skip
    assert caught.value.step == first + 1
    assert caught.value.cause.startswith("log(")
    assert "gave [-inf] at " in caught.value.cause
    assert "test_fit.py" in caught.value.cause


def resumable(folder: Path, epochs: int, **options: Any) -> Run:
    """A training with all kinds of state: momentum, statistics, dropout, schedule, average."""
    resume = options.get("resume")
    model = network(0 if resume is None else 5)
    optimizer = optim.SGD(model.parameters(), lr=0.1 if resume is None else 9.0, momentum=0.9)
    callbacks = [Checkpoint(folder / "c.npz", every=3, unit="step"), *options.pop("callbacks", [])]
    return fit(
        model, nn.CrossEntropyLoss(), optimizer, tg.data.Dataset(X, Y, n_classes=2), (X, Y),
        epochs=epochs, batch_size=16, scheduler=Halve(optimizer), average=Ema(model),
        callbacks=callbacks, restore_best=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("stop", [1, 4, 6, 9, 13, 14])
def test_resuming_in_the_middle_of_an_epoch_is_exact(
    tmp_path: Path, stop: int, compile: bool
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = resumable(whole, 4, compile=compile)
    resumable(parts, 4, compile=compile, callbacks=[Interrupt(stop)])
    state = load_checkpoint(parts / "c.npz")
    assert state["step"] == (stop - 1) // 3 * 3  # not of this step: Interrupt goes before
    assert state["epoch"] * 4 + state["batch"] == state["step"]
    got = resumable(parts, 4, compile=compile, resume=state)
    assert bits(got.state_dict()) == bits(expected.state_dict())
    assert got.history == expected.history
    assert bits(got.model.state_dict()) == bits(expected.model.state_dict())


def test_a_checkpoint_after_the_last_step_of_an_epoch_finishes_the_epoch(tmp_path: Path) -> None:
    state: dict[str, Any] = {}

    class Grab(Callback):
        last = True

        def on_step(self, run: Run) -> None:
            if run.step == 4:
                Checkpoint(tmp_path / "c4.npz").save(run)

    expected = resumable(tmp_path, 3, callbacks=[Grab()])
    state = load_checkpoint(tmp_path / "c4.npz")
    assert (state["epoch"], state["batch"]) == (0, 4)
    got = resumable(tmp_path, 3, resume=state)
    assert bits(got.state_dict()) == bits(expected.state_dict())


def test_a_training_that_a_callback_stopped_stays_so_unless_it_gets_more_epochs(
    tmp_path: Path,
) -> None:
    class Stop(Callback):
        def on_epoch(self, run: Run) -> None:
            if run.epoch == 2:
                run.stop("enough")

    assert resumable(tmp_path, 5, callbacks=[Stop()]).epoch == 2
    state = load_checkpoint(tmp_path / "c.npz")
    again = resumable(tmp_path, 5, resume=state)
    assert (again.epoch, again.reason) == (2, "enough")
    more = resumable(tmp_path, 6, resume=state)
    assert (more.epoch, more.reason) == (6, "finished")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "relu"}, r"saved with the model \(0\): Tanh\(\), and this one is \(0\): ReLU"),
        ({"loss": "mse"}, "saved with the loss CrossEntropyLoss.*, and this one is MSELoss"),
        ({"optimizer": "adam"}, "Adam: the state has settings .* it is of another kind"),
        ({"model": "noisy"}, r"random generators \[\], this model has \['0.0.rng'\]"),
        ({"rows": 30}, "state was saved with samples=50, this loader has 30"),
    ],
)
def test_a_foreign_state_is_refused_with_the_reason_and_changes_nothing(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    class Noisy(nn.Tanh):
        """Like its base in all but a generator."""

        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def __repr__(self) -> str:
            return "Tanh()"

    activations = {"tanh": nn.Tanh, "relu": nn.ReLU, "noisy": Noisy}
    losses = {"ce": nn.CrossEntropyLoss, "mse": nn.MSELoss}
    optimizers = {"sgd": optim.SGD, "adam": optim.Adam}

    def training(
        model: str = "tanh", loss: str = "ce", optimizer: str = "sgd", rows: int = 50,
        resume: Any = None,
    ) -> None:  # fmt: skip
        net = nn.Sequential(activations[model](), nn.Linear(3, 2, rng=0))
        before = bits(net.state_dict())
        callbacks = [] if resume is not None else [Checkpoint(tmp_path / "c.npz")]
        try:
            fit(
                net, losses[loss](), optimizers[optimizer](net.parameters(), lr=0.1),
                tg.data.Dataset(X[:rows], Y[:rows], n_classes=2), epochs=2, resume=resume,
                callbacks=callbacks,
            )  # fmt: skip
        except UsageError:
            assert bits(net.state_dict()) == before
            raise

    training()
    state = load_checkpoint(tmp_path / "c.npz")
    with pytest.raises(UsageError, match="cannot resume: .*" + message):
        training(**change, resume=state)


def test_progress_is_shown_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    model = network()
    fit(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), (X, Y), epochs=1)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_run_shows_itself_in_one_line() -> None:
    model = network()
    options: Any = {"batch_size": 10, "progress": False, "seed": 0}
    optimizer = optim.SGD(model.parameters(), 0.1)
    run = fit(model, nn.CrossEntropyLoss(), optimizer, (X, Y), epochs=2, **options)
    assert run.best is not None
    best = f"best train_loss {run.best.score:.4g} at epoch {run.best.epoch}"
    assert repr(run) == f"<Run finished, 2 of 2 epochs, 10 steps, {best}>"
