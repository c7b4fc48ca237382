"""The graph behind a picture: its nodes and edges are those of the tape, or boxes of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.draw import Drawing, Graph, draw
from tinygrad_lecture.engine.parts import WATCHING, watch_parts
from tinygrad_lecture.errors import UsageError


def neuron(backward: bool = True) -> Any:
    w, x, b = tg.Value(2.0, name="w"), tg.Value(1.0, name="x"), tg.Value(0.0, name="b")
    y = tg.tanh(w * x + b)
    if backward:
        y.backward()
    return y


def labels(graph: Graph) -> list[str]:
    return [node.label for node in graph]


def test_nodes_and_edges_are_the_entries_of_the_tape() -> None:
    y = neuron()
    tape = tg.Tape(y)
    graph = draw(y).graph
    assert [node.id for node in graph] == [f"e{e.number}" for e in tape]
    assert [node.primal for node in graph] == [e.primal for e in tape]
    assert [node.adjoint for node in graph] == [e.adjoint for e in tape]
    wanted = [
        (f"e{e.number}_{k}", f"e{j}", f"e{e.number}", k, e.derivatives[k])
        for e in tape
        for k, j in enumerate(e.inputs)
    ]
    assert [(g.id, g.source, g.target, g.operand, g.derivative) for g in graph.edges] == wanted
    assert graph.outputs == ("e5",)


def test_the_chain_rule_can_be_read_off_the_picture() -> None:
    x = tg.Value(0.7)
    y = tg.exp(x) * tg.sin(x) + x / (1.0 + x * x)
    y.backward()
    graph = draw(y).graph
    for node in graph:
        if node.kind != "constant" and node.id not in graph.outputs:
            total = sum(
                e.derivative * graph[e.target].adjoint for e in graph.edges if e.source == node.id
            )
            assert node.adjoint == pytest.approx(total, rel=1e-12)


def test_parents_and_children() -> None:
    graph = draw(neuron()).graph
    assert [n.label for n in graph.parents("e4")] == ["v3", "b"]
    assert [n.id for n in graph.children("e3")] == ["e4"]


def test_before_backward_adjoints_are_not_computed() -> None:
    picture = draw(neuron(backward=False))
    assert all(node.adjoint is None for node in picture.graph)
    assert picture.dot().count("not computed") == len(picture.graph) + 1  # and the legend
    assert "call backward() on the output first" in picture.dot()
    assert ">∂ 0<" not in picture.dot()


@pytest.mark.parametrize(
    ("passes", "title", "value", "adjoint"),
    [
        ("both", "forward and backward pass of", True, True),
        ("forward", "forward pass of", True, False),
        ("backward", "backward pass of", False, True),
    ],
)
def test_the_title_names_the_pass(passes: Any, title: str, value: bool, adjoint: bool) -> None:
    dot = draw(neuron(), passes=passes).dot()
    assert f"<B>{title} v5</B>" in dot
    assert ("0.964" in dot) is value
    assert ("∂ 0.1413" in dot) is adjoint
    assert ("dir=back" in dot) is (passes == "backward")


def test_names_come_from_the_value_then_from_variables() -> None:
    weight, plain = tg.Value(2.0, name="w"), tg.Value(3.0)
    xs = [tg.Value(1.0), tg.Value(4.0)]
    loss = weight * plain + xs[1] * 2.0
    assert labels(draw(loss).graph) == ["w", "plain", "xs[1]", "v3", "2", "v4", "loss"]


def test_names_come_from_variables_of_the_module_as_well() -> None:
    assert labels(draw(GLOBAL * 2.0).graph) == ["GLOBAL", "2", "v1"]


def test_names_inside_of_a_function_are_its_variables() -> None:
    def f(a: Any, batch: Any) -> Any:
        hidden = a * batch[0]
        return tg.tanh(hidden)

    graph = draw(f, 2.0, [0.5, 1.0]).graph
    assert labels(graph) == ["a", "batch[0]", "hidden", "v3"]
    assert sys.getprofile() is None or "coverage" in repr(sys.getprofile())


def test_kinds_keep_parameters_apart_from_data_and_constants() -> None:
    layer = tg.nn.Linear(2, 3, rng=0)
    graph = draw(lambda x: tg.sum((layer(x) - np.ones((4, 3))) ** 2), np.ones((4, 2))).graph
    kinds = {node.label: node.kind for node in graph}
    assert kinds["weight"] == kinds["bias"] == "parameter"
    assert kinds["x"] == "input"
    assert [n.shape for n in graph if n.kind == "constant"] == [(4, 3), ()]
    scalar = draw(tg.nn.Neuron(2, rng=0), [1.0, 2.0]).graph
    assert {n.label: n.kind for n in scalar if n.op == "leaf"} == {
        "w0": "parameter", "w1": "parameter", "b": "parameter", "x[0]": "input", "x[1]": "input",
    }  # fmt: skip


def test_a_function_is_gone_back_through_and_no_grad_is_touched() -> None:
    layer = tg.nn.Linear(2, 1, rng=0)
    layer.weight.grad = np.array([[5.0, 6.0]])
    x = np.array([[1.0, 2.0]])
    graph = draw(lambda x: tg.sum(layer(x)), x).graph
    node = next(node for node in graph if node.label == "weight")
    assert node.adjoint.tolist() == [[1.0, 2.0]]
    assert layer.weight.grad.tolist() == [[5.0, 6.0]]
    assert [p.grad is None for p in layer.parameters()] == [False, True]
    w = tg.Value(3.0)
    (w * w).backward()
    draw(lambda: w * 2.0)
    assert w.grad == 6.0


def test_an_array_output_has_no_backward_pass_of_its_own() -> None:
    picture = draw(tg.nn.Linear(2, 3), np.ones((4, 2)))
    assert all(node.adjoint is None for node in picture.graph)
    assert "forward pass of Linear, before its backward pass" in picture.dot()
    assert "∂ not computed: the output is an array of shape 4×3; draw one number" in picture.dot()
    two = draw(lambda x: (x, 2.0 * x), 1.0)
    assert "the function returns 2 results, and derivatives are of one number" in two.dot()


def test_an_output_of_one_number_is_gone_back_from_whatever_its_shape() -> None:
    graph = draw(tg.nn.Linear(2, 1, rng=0), np.array([[3.0, 4.0]])).graph
    node = next(node for node in graph if node.label == "weight")
    assert node.adjoint.tolist() == [[3.0, 4.0]]


def test_rules_on_edges_are_explained() -> None:
    layer = tg.nn.Linear(2, 1, rng=0)
    dot = draw(layer, np.array([[3.0, 4.0]])).dot()
    assert "gᵀ @ x" in dot
    assert "a rule of g, the ∂ where the edge ends" in dot
    assert "a rule of g" not in draw(neuron()).dot()


def test_integers_stay_labels() -> None:
    loss = tg.nn.CrossEntropyLoss()
    graph = draw(lambda z, t: loss(z, t), np.zeros((2, 3)), np.array([0, 2])).graph
    assert "z" in labels(graph)
    assert "t" not in labels(graph)


def test_formulas_are_written_in_the_notation_of_the_field() -> None:
    x, y = tg.Value(2.0, name="x"), tg.Value(3.0, name="y")
    m = tg.Value(np.ones((2, 2)), name="M")
    outputs = [x - y, x * y, x / y, -x, x**2, x**-3.0, tg.sigmoid(x), tg.sqrt(y), (-2.0) * x,
               m @ m, m.T, tg.sum(m), tg.sum(m, axis=1), m[0, 1:], tg.maximum(x, y), abs(x)]  # fmt: skip
    told = [draw(out, passes="forward").graph.nodes[-1].formula for out in outputs]
    assert told == [
        "x − y", "x · y", "x / y", "−x", "x²", "x⁻³", "σ(x)", "√y", "(−2) · x", "M @ M",
        "Mᵀ  (axes 1, 0)", "Σ M  (axis 0, 1)", "Σ M  (axis 1)", "M[0, 1:]", "max(x, y)", "|x|",
    ]  # fmt: skip


# ----------------------------------------------------------------------------------- boxes


GLOBAL = tg.Value(5.0)


def mlp_loss(x: Any) -> Any:
    return (1.0 - MLP(x)).relu()


MLP = tg.nn.MLP(2, [16, 16, 1], rng=0)


def test_a_scalar_mlp_collapses_to_its_layers_and_neurons() -> None:
    layers = [n for n in draw(mlp_loss, [0.5, -1.0], depth=1).graph if n.kind == "module"]
    assert [(n.label, n.count) for n in layers] == [
        ("layers[0]: Layer", 1), ("layers[1]: Layer", 1), ("layers[2]: Layer", 1),
    ]  # fmt: skip
    graph = draw(mlp_loss, [0.5, -1.0], depth=2).graph
    neurons = [n for n in graph if n.kind == "module"]
    assert [(n.op, n.count) for n in neurons] == [("Neuron", 16), ("Neuron", 16), ("Neuron", 1)]
    assert neurons[1].details == ("256 multiply, 256 add, 16 relu", "272 parameters")
    edges = {(e.source, e.target): e.count for e in graph.edges}
    assert edges[neurons[0].id, neurons[1].id] == 256
    assert [g.label for g in graph.groups] == [
        "MLP", "layers[0]: Layer", "layers[1]: Layer", "layers[2]: Layer",
    ]  # fmt: skip


def test_a_box_has_the_adjoints_of_what_is_in_it() -> None:
    graph = draw(mlp_loss, [0.5, -1.0], depth=0).graph
    box = next(n for n in graph if n.kind == "module")
    whole = draw(mlp_loss, [0.5, -1.0], limit=10_000).graph
    sizes = [abs(n.adjoint) for n in whole if n.adjoint is not None and n.group]
    assert np.max(box.adjoint) == max(sizes)


def test_a_hundred_samples_are_one_box() -> None:
    def loss(points: Any) -> Any:
        return sum(mlp_loss(p) for p in points)

    points = np.random.default_rng(0).normal(size=(100, 2)).tolist()
    graph = draw(loss, points, depth=1, limit=1000).graph
    boxes = {(n.op, n.count) for n in graph if n.kind == "module"}
    assert boxes == {("Layer", 100)}
    assert sum(n.kind == "module" for n in graph) == 3


def test_modules_of_different_names_are_not_one_box() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            self.query, self.key = tg.nn.Linear(2, 2), tg.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return self.query(x) @ self.key(x).T

    graph = draw(Two(), np.ones((1, 2)), depth=1).graph
    assert [n.label for n in graph if n.kind == "module"] == ["query: Linear", "key: Linear"]


def test_beyond_the_limit_modules_become_boxes() -> None:
    graph = draw(mlp_loss, [0.5, -1.0]).graph
    assert len(graph) < 400
    assert {n.op for n in graph if n.kind == "module"} == {"Neuron"}
    assert graph.notes == ("981 entries drawn as 7 nodes: ×n stands for n that are alike",)


def test_without_modules_what_is_alike_becomes_one_node() -> None:
    xs = [tg.Value(float(k)) for k in range(500)]
    total = tg.sum(tg.stack([x * x for x in xs]))
    total.backward()
    graph = draw(total).graph
    squares = next(n for n in graph if n.op == "multiply")
    assert squares.count == 500
    assert squares.primal.min() == 0.0
    assert squares.primal.max() == 499.0**2
    assert "0 … 2.49e+05" in draw(total).dot()


def test_a_long_chain_is_summarised_by_op() -> None:
    y = x = tg.Value(1.0)
    for _ in range(25_000):
        y = y * 0.999 + x
    graph = draw(y).graph
    assert {n.op: n.count for n in graph} == {"leaf": 1, "multiply": 25_000, "add": 25_000}
    assert {e.count for e in graph.edges} == {1, 24_999, 25_000}
    assert graph.entries == 50_001


@pytest.mark.slow
def test_a_million_entries_are_summarised_in_ten_seconds() -> None:
    y = x = tg.Value(1.0)
    for _ in range(500_000):
        y = y * 0.9999999 + x
    y.backward()
    start = time.process_time()  # what else the machine does is not counted
    picture = draw(y)
    svg = picture.svg()  # of three nodes: no time at all
    assert time.process_time() - start < 10
    assert picture.graph.entries == 1_000_001
    assert "×500,000" in svg


def recurrent(steps: int) -> Any:
    w = tg.Value(0.9, name="w")
    y = tg.Value(1.0)
    for _ in range(steps):
        y = tg.tanh(w * y + w)
    y.backward()
    return y


def test_edges_that_reach_far_have_their_derivatives_in_tooltips() -> None:
    picture = draw(recurrent(30))
    assert len(picture.graph) == 92
    assert "in the tooltip of an edge: local derivative" in picture.dot()
    assert re.search(r'tooltip="e0 to e2: local derivative [\d.]+"', picture.dot())
    assert "label=<<FONT" not in picture.dot().partition("e0 -> ")[2]
    near = draw(recurrent(3)).dot()
    assert "; on an edge: local derivative" in near
    assert "label=<<FONT" in near.partition("e0 -> ")[2]


def test_a_tangle_is_summarised_although_its_nodes_are_few() -> None:
    graph = draw(recurrent(100)).graph
    assert {n.op: n.count for n in graph} == {"leaf": 2, "multiply": 100, "add": 100, "tanh": 100}
    values = [tg.Value(float(k)) for k in range(3)]
    for _ in range(60):
        values.append(tg.sum(tg.stack(values)))
    assert len(draw(values[-1]).graph) < 10


# ----------------------------------------------------------------------------------- focus


def test_focus_shows_what_is_near() -> None:
    y = x = tg.Value(1.0, name="x")
    for _ in range(50):
        y = y * 0.5 + x
    graph = draw(y, focus=50, radius=1).graph
    assert {n.id for n in graph if n.kind != "constant"} == {"e49", "e50", "e51", "e0"}
    assert graph.notes == ("4 of 101 entries: those within 1 steps of the focus",)


def test_focus_takes_names_values_and_several() -> None:
    y = neuron()
    w = tg.Tape(y).values[0]
    assert labels(draw(y, focus="w", radius=1).graph) == ["w", "v3"]
    assert labels(draw(y, focus=w, radius=0).graph) == ["w"]
    assert labels(draw(y, focus=["w", "v5"], radius=0).graph) == ["w", "y"]


# ------------------------------------------------------------------------------------ data


def test_the_same_input_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib, numpy as np, tinygrad_lecture as tg\n"
        "net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=0), tg.nn.Tanh(), tg.nn.Linear(4, 1, rng=1))\n"
        "p = tg.draw(lambda x: tg.sum(net(x) ** 2), np.ones((2, 3)))\n"
        "m = tg.draw(tg.nn.MLP(2, [8, 8, 1], rng=0), [1.0, 2.0], depth=2)\n"
        "print(hashlib.sha256((p.dot() + p.json() + m.dot() + m.json()).encode()).hexdigest())"
    )
    found = set()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_json_holds_the_graph() -> None:
    x = tg.Value([1.0, 2.0], name="x")
    with np.errstate(divide="ignore"):
        out = tg.sum(tg.log(x - 1.0))
    out.backward()
    document = json.loads(draw(out).json())
    assert [n["id"] for n in document["nodes"]] == ["e0", "e1_c1", "e1", "e2", "e3"]
    assert document["nodes"][3]["primal"] == ["-inf", 0.0]
    assert document["edges"][0] == {
        "id": "e1_1", "source": "e1_c1", "target": "e1", "operand": 1, "derivative": None, "count": 1,
    }  # fmt: skip
    assert document["outputs"] == ["e3"]


def test_parts_are_logged_by_thread_and_only_while_watched() -> None:
    net = tg.nn.MLP(2, [2, 1], rng=0)
    with watch_parts() as parts:
        net([1.0, 2.0])
    assert [type(p.thing).__name__ for p in parts] == [
        "MLP",
        "Layer",
        "Neuron",
        "Neuron",
        "Layer",
        "Neuron",
    ]
    assert [p.parent for p in parts] == [-1, 0, 1, 1, 0, 4]
    assert all(p.start < p.stop for p in parts)
    assert not WATCHING
    net([1.0, 2.0])
    assert len(parts) == 6


def test_a_module_that_raises_ends_its_part() -> None:
    net = tg.nn.Sequential(tg.nn.Linear(2, 3))
    with watch_parts() as parts, pytest.raises(ValueError, match="linear: input of shape"):
        net(np.ones((1, 5)))
    assert all(p.stop > p.start for p in parts)


# ---------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": "sideways"}, "passes must be one of both, forward, backward; got 'sideways'"),
        ({"color": "red"}, "color must be one of kind, adjoint, level; got 'red'"),
        ({"theme": "sepia"}, "theme must be one of light, dark; got 'sepia'"),
        ({"digits": 0}, "digits must be at least 1, got 0"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"depth": 1}, r"depth goes by calls of modules, and none were seen: .* tg.draw\(model, x"),
        ({"focus": "q"}, "focus 'q' names nothing here; names are w, x, b, and every entry is v"),
        ({"focus": 17}, "focus must be a Value, a name or a number below 6; got 17"),
        ({"focus": "w", "radius": -1}, "radius must not be negative, got -1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw(neuron(), **options)


def test_a_focus_elsewhere_is_refused() -> None:
    with pytest.raises(UsageError, match="is not behind what is drawn"):
        draw(neuron(), focus=tg.Value(1.0))


def test_depth_must_not_be_negative() -> None:
    with pytest.raises(UsageError, match="depth must not be negative, got -1"):
        draw(mlp_loss, [0.5, -1.0], depth=-1)


def test_what_cannot_be_drawn_is_named() -> None:
    def f() -> float:
        return 1.0

    with pytest.raises(
        UsageError, match=r"must be a Value, a Tape, a module or function .* got float"
    ):
        draw(3.0)
    with pytest.raises(
        UsageError, match="f returned no Value, so there is nothing to draw: float came"
    ):
        draw(f)
    with pytest.raises(UsageError, match="inputs go with a module or function"):
        draw(neuron(), 3.0)


def test_a_tape_and_a_nest_are_drawn() -> None:
    y = neuron()
    assert len(draw(tg.Tape(y)).graph) == 6
    a = tg.Value(2.0, name="a")
    assert draw({"double": 2.0 * a, "square": a * a}).graph.outputs == ("e1", "e2")


def test_a_drawing_prints_its_nodes_as_a_table() -> None:
    assert str(draw(neuron(), title="one neuron")).splitlines() == [
        "one neuron",
        "node  formula   value  derivative",
        "w     input     2      0.07065",
        "x     input     1      0.1413",
        "b     input     0      0.07065",
        "v3    w · x     2      0.07065",
        "v4    v3 + b    2      0.07065",
        "v5    tanh(v4)  0.964  1",
    ]
    assert isinstance(draw(neuron()), Drawing)
