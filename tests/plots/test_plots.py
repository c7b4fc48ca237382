"""What is drawn is what came in; on figures of their own, the same bytes each time."""

import csv
import itertools
import math
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.draw.colors import contrast
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.experiments import Check, Figure, Outcome, below

matplotlib = pytest.importorskip("matplotlib")
plots: Any = tg.plots

HISTORY = [
    {"epoch": e, "step": 10 * e, "lr": 0.1 / e, "train_loss": 1.0 / e, "val_loss": v, "val_accuracy": 0.5}
    for e, v in enumerate([1.0, 0.4, 0.6], start=1)
]  # fmt: skip
ROWS = [
    {
        "step": step, "layer": layer, "kind": kind, "act_std": 1.0 + step, "grad_std": 0.1,
        "dead_fraction": 0.25 if kind == "ReLU" else None, "saturated_fraction": None,
        "weight_norm": None if kind == "ReLU" else 2.0,
        "update_ratio": None if kind == "ReLU" else 1e-3 * (step + 1),
    }
    for step in (0, 5)
    for layer, kind in (("1.0", "Linear"), ("1.1", "ReLU"), ("1", "Linear"))
]  # fmt: skip


def texts(paper: Any) -> list[str]:
    return [text.get_text() for axes in paper.axes for text in axes.texts]


def sgd() -> tg.optim.SGD:
    return tg.optim.SGD([tg.Value(0.0)], lr=1.0, momentum=0.9)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_curves_draw_the_history(tmp_path: Path) -> None:
    write(tmp_path / "metrics.csv", HISTORY)
    for source in (HISTORY, tmp_path, tmp_path / "metrics.csv", str(tmp_path)):
        paper = plots.curves(source, title="three epochs")
        loss, accuracy, rate = paper.axes
        assert [axes.get_ylabel() for axes in paper.axes] == ["loss", "accuracy", "learning rate"]
        assert rate.get_xlabel() == "epoch"
        assert loss.lines[0].get_xdata().tolist() == [1, 2, 3]
        assert loss.lines[0].get_ydata().tolist() == [1.0, 0.5, 1 / 3]
        assert loss.lines[1].get_ydata().tolist() == [1.0, 0.4, 0.6]
        assert accuracy.lines[0].get_ydata().tolist() == [0.5] * 3
        assert rate.lines[0].get_ydata().tolist() == [0.1, 0.05, 0.1 / 3]
        assert sorted(texts(paper)) == ["best epoch 2", "training", "validation", "validation"]
        assert loss.get_title("left") == "three epochs"


def test_losses_over_decades_are_on_a_logarithmic_axis_and_a_run_that_diverged_is_drawn() -> None:
    rows = [{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": 1e-4}, {"epoch": 3, "train_loss": np.nan}]  # fmt: skip
    paper = plots.curves(rows)
    assert paper.axes[0].get_yscale() == "log"
    assert texts(paper) == ["training"]  # nothing was validated, so no epoch is the best
    assert paper.png()[1:4] == b"PNG"
    nothing = [{"epoch": 1, "train_loss": np.nan, "val_loss": np.inf}]
    assert plots.curves(nothing).png()[1:4] == b"PNG"


def test_curves_refuse_what_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no rows to draw"):
        plots.curves([])
    with pytest.raises(UsageError, match="no column 'epoch'; there are a"):
        plots.curves([{"a": 1}])
    with pytest.raises(UsageError, match="no column train_… or val_…; there are epoch, lr"):
        plots.curves([{"epoch": 1, "lr": 0.1}])
    with pytest.raises(UsageError, match=r"cannot read .*metrics\.csv: No such file"):
        plots.curves(tmp_path)
    (tmp_path / "metrics.csv").write_bytes(b"epoch,train_loss\n1,abc\n")
    with pytest.raises(UsageError, match=r"cannot read .*metrics\.csv: could not convert"):
        plots.curves(tmp_path)


def test_a_schedule_is_its_formula_and_is_not_stepped() -> None:
    scheduler = tg.optim.lr_scheduler.CosineAnnealingLR(sgd(), 20)
    for paper in (plots.schedule(scheduler, 20), scheduler.plot(20)):
        assert np.array_equal(paper.axes[0].lines[0].get_ydata(), scheduler.lrs(20))
        assert (paper.axes[0].get_xlabel(), paper.axes[0].get_ylabel()) == ("step", "learning rate")
        assert paper.axes[0].get_title("left") == "CosineAnnealingLR"
        assert len(paper.axes) == 1  # the momentum stays
    assert scheduler.last_epoch == 0


def test_schedules_that_move_the_momentum_show_it_and_several_are_named() -> None:
    cycle = tg.optim.lr_scheduler.OneCycleLR(sgd(), max_lr=0.5, total_steps=10)
    paper = plots.schedule({"cycle": cycle, "again": cycle}, 10)
    assert [axes.get_ylabel() for axes in paper.axes] == ["learning rate", "momentum"]
    momenta = [cycle.settings_at(t)[0]["momentum"] for t in range(10)]
    assert paper.axes[1].lines[0].get_ydata().tolist() == momenta
    assert sorted(set(texts(paper))) == ["again", "cycle"]


def test_a_schedule_has_a_curve_and_steps() -> None:
    with pytest.raises(UsageError, match="ReduceLROnPlateau is no function of the step"):
        plots.schedule(tg.optim.lr_scheduler.ReduceLROnPlateau(sgd()), 10)
    with pytest.raises(UsageError, match="steps must be at least 1, got 0"):
        plots.schedule(tg.optim.lr_scheduler.StepLR(sgd(), 3), 0)


def test_a_range_test_shows_losses_and_what_it_suggests() -> None:
    lrs = np.geomspace(1e-3, 1.0, 4)
    losses, smoothed = np.array([1.0, 0.4, 0.3, 9.0]), np.array([1.0, 0.5, 0.2, 3.0])
    found = tg.train.LRRange(lrs, losses, smoothed, True)
    axes = plots.range_test(found).axes[0]
    assert np.array_equal(axes.lines[0].get_ydata(), losses)
    assert np.array_equal(axes.lines[1].get_ydata(), smoothed)
    assert axes.lines[2].get_xdata()[0] == found.suggest().lr
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "learning rate")
    rising = tg.train.LRRange(np.linspace(0.1, 0.4, 4), losses, np.arange(4.0), True)
    axes = plots.range_test(rising).axes[0]
    assert axes.get_xscale() == "linear"
    assert axes.get_title("left").startswith("the loss never fell below that at lr_min=0.1")


def test_layers_draw_what_the_monitor_saw(tmp_path: Path) -> None:
    write(tmp_path / "monitor.csv", ROWS)
    for source in (ROWS, tmp_path, tmp_path / "monitor.csv"):
        paper = plots.layers(source)
        named = {axes.get_ylabel(): axes for axes in paper.axes}
        assert list(named) == [
            "deviation of outputs",
            "deviation of adjoints",
            "‖ΔW‖ / ‖W‖ per step",
            "share of dead units",
        ]
        lines = named["deviation of outputs"].lines
        assert [line.get_ydata().tolist() for line in lines] == [[1.0, 6.0], [1.0, 6.0]]
        assert lines[0].get_xdata().tolist() == [0, 5]
        assert named["share of dead units"].lines[0].get_ydata().tolist() == [0.25, 0.25]
        assert {"1.0 Linear", "1 Linear", "1.1 ReLU"} <= set(texts(paper))
    assert len(plots.layers(ROWS, ["1.1"]).axes[0].lines) == 1
    with pytest.raises(UsageError, match=r"layer '7' is not among 1\.0, 1\.1, 1"):
        plots.layers(ROWS, ["7"])


def test_update_ratios_are_beside_the_rule_of_thumb() -> None:
    axes = plots.update_ratios(ROWS).axes[0]
    assert axes.get_yscale() == "log"
    assert axes.lines[0].get_ydata().tolist() == [0.001, 0.006]
    assert axes.lines[2].get_ydata()[0] == 1e-3
    with pytest.raises(UsageError, match="nothing was measured of ‖ΔW‖"):
        plots.update_ratios([row for row in ROWS if row["kind"] == "ReLU"])


def test_a_net_of_many_layers_has_colours_in_an_order() -> None:
    rows = [{**ROWS[0], "layer": str(k), "step": s} for k in range(12) for s in (0, 1)]
    lines = plots.layers(rows).axes[0].lines
    assert len({line.get_color() for line in lines}) == 12


def net() -> Any:
    model: Any = tg.nn.Sequential(
        tg.nn.Linear(2, 2, rng=0), tg.nn.Sigmoid(), tg.nn.Linear(2, 2, rng=1)
    )
    model[0].weight.data = np.array([[1.0, 1.0], [1.0, -1.0]])
    model[0].bias.data = np.array([-1.0, 0.0])
    return model


def test_regions_show_the_data_and_the_hyperplanes_of_the_hidden_units() -> None:
    X, y = tg.data.xor()
    model = net()
    paper = plots.regions(model, X, y, names=["no", "yes"], title="XOR")
    axes = paper.axes[0]
    drawn = np.concatenate(
        [np.asarray(c.get_offsets()) for c in axes.collections if "Path" in type(c).__name__]
    )
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, X.tolist()))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:4] == ["no", "yes", "decision", "2 hidden units at 0"]
    dashed = [c for c in axes.collections if "Contour" in type(c).__name__ and c.get_zorder() == 1]
    assert len(dashed) == 2
    first = dashed[0].get_paths()[0].vertices
    assert np.allclose(first.sum(axis=1), 1.0, atol=1e-12)  # x₁ + x₂ − 1 = 0
    second = dashed[1].get_paths()[0].vertices
    assert np.allclose(second[:, 0], second[:, 1], atol=1e-12)
    assert axes.get_title("left") == "XOR"
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    without = [
        t.get_text() for t in plots.regions(model, X, y, False).axes[0].get_legend().get_texts()
    ]
    assert "2 hidden units at 0" not in without


@pytest.mark.parametrize("shape", ["column", "flat"])
@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_one_output_decides_at_its_threshold(shape: str, kind: str) -> None:
    def model(X: Any) -> Any:
        z = X[:, 0] - 0.25
        z = 1 / (1 + np.exp(-z)) if kind == "probability" else z
        return z[:, None] if shape == "column" else z

    X, y = np.array([[0.0, 0.0], [1.0, 1.0], [0.9, 0.1]]), np.array([0, 1, 0])
    axes = plots.regions(model, X, y).axes[0]
    boundary = next(
        c for c in axes.collections if "Contour" in type(c).__name__ and c.get_zorder() == 2
    )
    assert np.allclose(boundary.get_paths()[0].vertices[:, 0], 0.25, atol=1e-3)
    assert axes.get_legend().get_texts()[-1].get_text() == "wrong: 1 of 3"


def test_regions_refuse_other_shapes() -> None:
    X, y = tg.data.xor()
    with pytest.raises(UsageError, match=r"X must have the shape \(N, 2\), got \(4, 3\)"):
        plots.regions(net(), np.ones((4, 3)), y)
    with pytest.raises(UsageError, match=r"y must be 4 classes 0, 1, \.\.\.; got shape \(3,\)"):
        plots.regions(net(), X, y[:3])
    with pytest.raises(UsageError, match="y must be 4 classes"):
        plots.regions(net(), X, y - 0.5)
    with pytest.raises(UsageError, match="n must be at least 2, got 1"):
        plots.regions(net(), X, y, n=1)
    with pytest.raises(UsageError, match=r"the model must give \(N, K\) or \(N,\)"):
        plots.regions(lambda X: np.ones(3), X, y)


def test_a_surface_has_its_heights_and_paths() -> None:
    path = np.array([[-1.0, 0.5], [0.0, 0.0]])
    heights = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]])
    paper = plots.surface(heights, (-2, 2), (-1, 1), {"descent": path}, label="loss", title="t")
    axes, bar = paper.axes
    assert np.array_equal(np.stack(axes.lines[0].get_data(), axis=1), path)
    assert paper.legends[0].get_texts()[0].get_text() == "descent"
    assert (bar.get_ylabel(), axes.get_title("left")) == ("loss", "t")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("w₁", "w₂")
    filled = axes.collections[0]
    assert (filled.zmin, filled.zmax) == (1.0, 4.0)
    values = plots.surface(lambda w: tg.Value(w).sum() + 3.0, (-2, 2), (-1, 1), n=5)
    assert values.axes[0].collections[0].zmax == 6.0
    assert plots.surface(np.ones((2, 2)), (0, 1), (0, 1)).png()[1:4] == b"PNG"


def test_a_valley_is_on_a_logarithmic_scale_and_a_bowl_is_not() -> None:
    def rosenbrock(w: Any) -> float:
        return float((1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2)

    for f, log in ((rosenbrock, True), (lambda w: w[0] ** 2 + 4 * w[1] ** 2, False)):
        paper = plots.surface(f, (-2, 2), (-1, 3), n=41)
        assert (paper.axes[1].get_yscale() == "log") is log
    heights = [text.get_text() for text in plots.surface(rosenbrock, (-2, 2), (-1, 3), n=41)
               .axes[1].get_yticklabels()]  # fmt: skip
    assert "2,509" in heights


def test_a_surface_is_refused_if_it_cannot_be_drawn() -> None:
    flat = np.ones((2, 2))
    cases: list[tuple[str, Callable[[], Any]]] = [
        ("xlim must ascend, got 1 and 0", lambda: plots.surface(flat, (1, 0), (0, 1))),
        ("n must be at least 2, got 1", lambda: plots.surface(np.sum, (0, 1), (0, 1), n=1)),
        (r"two axes, got shape \(3,\)", lambda: plots.surface(np.ones(3), (0, 1), (0, 1))),
        (
            r"path 'p' must have the shape \(steps, 2\), got \(3,\)",
            lambda: plots.surface(flat, (0, 1), (0, 1), {"p": [1, 2, 3]}),
        ),
        ("no height is finite", lambda: plots.surface(np.nan * flat, (0, 1), (0, 1))),
        (
            'scale must be "auto", "linear" or "log"',
            lambda: plots.surface(flat, (0, 1), (0, 1), scale="x"),
        ),
        (
            "a log scale needs positive heights, got -1",
            lambda: plots.surface(-flat, (0, 1), (0, 1), scale="log"),
        ),
    ]
    for match, call in cases:
        with pytest.raises(UsageError, match=match):
            call()


def test_activations_have_the_derivatives_of_the_engine() -> None:
    paper = plots.activations(["Tanh", "relu", tg.nn.LeakyReLU(0.2)])
    assert [axes.get_title("left") for axes in paper.axes] == [
        "Tanh",
        "relu",
        "LeakyReLU(negative_slope=0.2)",
    ]
    y, slope = paper.axes[0].lines[-2:]
    assert np.allclose(y.get_ydata(), np.tanh(y.get_xdata()), atol=1e-15)
    assert np.allclose(slope.get_ydata(), 1 - np.tanh(slope.get_xdata()) ** 2, atol=1e-15)
    relu = paper.axes[1].lines[-1].get_ydata()
    assert np.isnan(relu).sum() == 1  # the gap at the kink
    assert set(relu[np.isfinite(relu)]) == {0.0, 1.0}
    assert len(plots.activations("Tanh").axes) == 1
    assert len(plots.activations().axes) == 9


def test_the_whole_slope_is_in_view_and_only_jumps_are_gaps() -> None:
    functions = [lambda x: tg.sin(3 * x), lambda x: -2 * x, lambda x: tg.exp(x), lambda x: x**3]
    paper = plots.activations([*functions, "Hardshrink"])
    for axes in paper.axes[:2]:
        slope = axes.lines[-1].get_ydata()
        low, high = axes.get_ylim()
        assert low < slope.min()
        assert slope.max() < high
    for axes in paper.axes[:4]:
        assert all(np.isfinite(line.get_ydata()).all() for line in axes.lines[-2:])
    assert paper.axes[3].get_ylim()[1] == pytest.approx(6.0, abs=0.6)  # not up to 48
    f, slope = (line.get_ydata() for line in paper.axes[4].lines[-2:])
    assert np.isnan(f).sum() == np.isnan(slope).sum() == 2


def test_activations_refuse_what_is_none() -> None:
    with pytest.raises(UsageError, match="no function 'Tangh'; there are CELU, ELU"):
        plots.activations(["Tangh"])
    with pytest.raises(UsageError, match=r"must act on each number alone; from shape \(401,\)"):
        plots.activations([lambda x: x.sum()])
    with pytest.raises(UsageError, match="low must be below high"):
        plots.activations("Tanh", low=1.0, high=1.0)
    with pytest.raises(UsageError, match="names must hold at least one"):
        plots.activations([])


def test_the_v_curve_is_that_of_the_sweep() -> None:
    sweep = tg.gradcheck.sweep_steps(np.exp, 1.0)
    axes = plots.v_curve(sweep, exact=math.e).axes[0]
    errors = np.array(sweep.errors_against(math.e))
    assert axes.lines[0].get_xdata().tolist() == np.array(sweep.steps)[errors > 0].tolist()
    assert axes.lines[0].get_ydata().tolist() == errors[errors > 0].tolist()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    estimated = plots.v_curve(sweep).axes[0].lines[0].get_ydata()
    assert estimated.tolist() == [e for e in sweep.errors if e > 0]
    two = plots.v_curve({"a": ([0.1, 0.2], [1.0, 2.0]), "b": ([0.1, 0.2], [3.0, 4.0])})
    assert sorted(texts(two)) == ["a", "b"]
    with pytest.raises(UsageError, match="steps and errors must be of one length"):
        plots.v_curve(([1.0], [1.0, 2.0]))
    with pytest.raises(UsageError, match="no error is positive"):
        plots.v_curve(([1.0], [0.0]))


def test_a_claim_draws_all_kinds_of_series() -> None:
    figure = (
        Figure("t", "x", "y", y_scale="log")
        .add("line", [1, 2, 3], [3, 4, 5], low=[2, 3, 4], high=[4, 5, 6])
        .add("cloud", [1, 2], [5, 6], style="points")
        .add("bars", [1, 2], [7, 8], style="bars")
    )
    outcome = Outcome([Check("x", 0.0, below(1.0))], figure=figure)
    paper = plots.claim(outcome)
    axes = paper.axes[0]
    assert axes.lines[0].get_ydata().tolist() == [3, 4, 5]
    assert [bar.get_height() for bar in axes.patches] == [7, 8]
    clouds = [np.asarray(c.get_offsets()).tolist() for c in axes.collections[1:]]
    assert clouds == [[[1, 5], [2, 6]]]
    labels = (axes.get_title("left"), axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale())
    assert labels == ("t", "x", "y", "log")
    assert [t.get_text() for t in paper.legends[0].get_texts()] == ["cloud", "bars"]
    assert "line" in texts(plots.claim(figure))
    assert plots.claim(figure, title="mine").axes[0].get_title("left") == "mine"


def test_a_line_among_clouds_has_no_ends_and_does_not_set_the_limits() -> None:
    figure = (
        Figure("t", "x₁", "x₂")
        .add("cloud", [0, 1, 2], [0.0, 1.0, 0.5], style="points")
        .add("hyperplane", [-1, 3], [-90.0, 90.0])
    )
    paper = plots.claim(figure)
    assert paper.axes[0].get_ylim() == pytest.approx((-0.1, 1.1))
    assert [t.get_text() for t in paper.legends[0].get_texts()] == ["cloud", "hyperplane"]
    assert texts(paper) == []


def test_a_curve_that_leaves_the_view_has_its_label_where_it_is_seen_last() -> None:
    figure = Figure("t", "x", "y", y_scale="log").add("stays", [0, 1, 2, 3], [1.0, 1, 1, 1])
    paper = plots.claim(figure.add("is 0 in the end", [0, 1, 2, 3], [1.0, 0.1, 0.0, 0.0]))
    named = {text.get_text(): text for text in paper.axes[0].texts}
    assert set(named) == {"stays", "is 0 in the end"}
    across, up = named["is 0 in the end"].xy
    assert across < 0.5
    assert 0 <= up <= 1
    assert paper.axes[0].get_position().x1 < 0.97  # room was made for the label


def test_a_label_at_an_early_end_is_where_no_curve_goes_through() -> None:
    x = np.geomspace(1, 1000, 200)
    figure = Figure("t", "x", "y", x_scale="log", y_scale="log")
    figure = figure.add("a curve with a long name", x[:130], np.exp(-x[:130] / 8))
    paper = plots.claim(figure.add("another one", x, np.exp(-x / 80)))
    axes = paper.axes[0]
    note = next(t for t in axes.texts if t.get_text() == "a curve with a long name")
    assert note.get_ha() == "right"
    box = note.get_window_extent()
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path())
        assert not path.intersects_bbox(box, False)


def test_a_legend_is_not_wider_than_the_paper() -> None:
    grid = np.linspace(0, 1, 5)
    figure = Figure("t", "x", "y").add_surface("z", grid, grid, np.outer(grid, grid))
    for k in range(4):
        figure = figure.add(f"a name of some length {k}", [0, 1], [k / 4, 1])
    paper = plots.claim(figure)
    (legend,) = paper.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= paper.bbox.width
    assert len(legend.get_texts()) == 4


def test_a_claim_over_surfaces_has_a_panel_for_each() -> None:
    z = np.array([[0.0, 0.5, 1.0], [0.2, 0.7, 1.2]])
    figure = Figure("t", "x", "y").add_surface("a", [0, 1, 2], [0, 1], z, levels=(0.5,))
    one = figure.add("path", [0, 1, 2], [0, 1, 1])
    assert one.surfaces
    paper = plots.claim(one)
    assert paper.axes[0].lines[0].get_xdata().tolist() == [0, 1, 2]
    assert paper.axes[1].get_ylabel() == "a"
    two = plots.claim(one.add_surface("b", [0, 1, 2], [0, 1], z + 1.0))
    assert [axes.get_ylabel() for axes in two.axes] == ["y", "y", "a", "b"]


def test_paths_with_nan_between_them_share_a_name_and_have_ends_each() -> None:
    x, y = [0.0, 0.5, np.nan, 1.5, 2.0], [0.0, 1.0, np.nan, 1.0, 0.0]
    figure = Figure("t", "x", "y").add_surface("a", [0, 1, 2], [0, 1], np.arange(6.0).reshape(2, 3))
    lines = plots.claim(figure.add("two", x, y)).axes[0].lines
    assert np.array_equal(lines[0].get_xdata(), x, equal_nan=True)
    assert [float(line.get_xdata()[0]) for line in lines[1:]] == [0.0, 0.5, 1.5, 2.0]


def test_a_claim_needs_a_figure() -> None:
    with pytest.raises(UsageError, match="this outcome has no figure"):
        plots.claim(Outcome([Check("x", 0.0, below(1.0))]))
    with pytest.raises(UsageError, match="the figure 't' is empty"):
        plots.claim(Figure("t", "x", "y"))


@pytest.mark.slow
def test_the_same_data_give_the_same_bytes_whatever_the_settings_outside(tmp_path: Path) -> None:
    paper = plots.curves(HISTORY)
    svg = paper.svg()
    with matplotlib.rc_context(
        {"lines.linewidth": 9, "svg.fonttype": "path", "font.size": 30, "axes.facecolor": "red"}
    ):
        assert plots.curves(HISTORY).svg() == svg
        paper.savefig(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == svg
    assert "validation</text>" in svg  # text is text
    assert "dc:date" not in svg
    assert plots.curves(HISTORY).png() == paper.png()
    for ending, begin in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".SVG", b"<?xml")):
        paper.save(tmp_path / f"b{ending}")
        assert (tmp_path / f"b{ending}").read_bytes().startswith(begin)
    assert paper._bytes("pdf") == paper._bytes("pdf")


def test_in_a_notebook_paths_are_shorter_and_at_the_same_place() -> None:
    surface = Figure("t", "x", "y").add_surface(
        "s", [0, 1, 2], [0, 1], [[0.0, 1, 2], [3, 1.234, 5]]
    )
    paper = plots.claim(surface)
    svg, shown = paper.svg(), paper._repr_svg_()
    path = re.compile(r' d="[^"]+"')
    assert path.split(svg) == path.split(shown)
    assert len(shown) < len(svg)
    assert shown.count("\n") < svg.count("\n")
    number = re.compile(r"-?\d+\.?\d*")
    for long, short in zip(path.findall(svg), path.findall(shown), strict=True):
        pairs = zip(number.findall(long), number.findall(short), strict=True)
        assert all(abs(float(a) - float(b)) <= 0.005 + 1e-9 for a, b in pairs)
        letters = [[part.split() for part in number.split(d)] for d in (long, short)]
        assert letters[0] == letters[1]


def test_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    paper = plots.curves(HISTORY)
    with pytest.raises(UsageError, match=r"a\.txt: the ending must be one of \.svg, \.png, \.pdf"):
        paper.save(tmp_path / "a.txt")
    with pytest.raises(UsageError, match=r"cannot write .*: No such file"):
        paper.save(tmp_path / "no" / "a.svg")
    with pytest.raises(UsageError, match="theme must be one of light, dark; got 'blue'"):
        plots.curves(HISTORY, theme="blue")


def test_labels_keep_their_distance() -> None:
    from tinygrad_lecture.plots.paper import spread

    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 9, 40):
        places = np.sort(rng.uniform(size=n)).tolist()
        moved = spread(places, 0.05)
        gap = min(0.05, 1 / max(n - 1, 1))
        assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(moved))
        assert all(-1e-9 <= place <= 1 + 1e-9 for place in moved)
    assert spread([0.1, 0.5], 0.05) == [0.1, 0.5]


def test_labels_of_curves_that_end_in_one_place_within_the_axes_stand_one_above_another() -> None:
    figure = Figure("t", "x", "y").add("a long one", [0, 10], [0.0, 1.0])
    for k in range(4):
        figure = figure.add(
            f"short, number {k}", np.linspace(0, 4 + 0.2 * k, 30), np.linspace(1, 0, 30)
        )
    paper = plots.claim(figure)
    labels = [text for text in paper.axes[0].texts if text.get_text().startswith("short")]
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_no_global_state_and_no_display() -> None:
    code = """
import sys, matplotlib
before = dict(matplotlib.rcParams)
import tinygrad_lecture as tg
assert "matplotlib.axes" not in sys.modules
assert tg.plots and "matplotlib.axes" not in sys.modules
tg.plots.activations("ReLU").png()
assert "matplotlib.pyplot" not in sys.modules, "pyplot"
assert dict(matplotlib.rcParams) == before
"""
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "MPLBACKEND": "tkagg"},
    )


def test_a_thread_may_draw() -> None:
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(plots.curves(HISTORY).png()))
    thread.start()
    thread.join()
    assert found[0][1:4] == b"PNG"


def test_without_matplotlib_there_is_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r'plots need Matplotlib: pip install "tinygrad_lecture\[plots\]"'
    ):
        plots.curves(HISTORY)


# Colour vision without the cones for long or medium waves (Machado, Oliveira and Fernandes 2009).
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]),
}  # fmt: skip


def lab(color: str, eyes: str) -> Any:
    c = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    seen = np.clip(EYES[eyes] @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    t = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("name", ["light", "dark"])
def test_colours_are_read_and_told_apart_by_all_eyes(name: str) -> None:
    from tinygrad_lecture.plots.theme import THEMES

    theme = THEMES[name]
    for color in (*theme.hues, theme.ink, theme.faint):
        assert contrast(color, theme.background) >= 4.5
    for color, relief in itertools.product(theme.hues, theme.relief):
        assert contrast(color, relief) >= 2.0
    for eyes in EYES:
        for one, other in itertools.combinations(theme.hues, 2):
            assert np.linalg.norm(lab(one, eyes) - lab(other, eyes)) > 20, (eyes, one, other)
