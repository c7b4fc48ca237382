"""Compiled programs: what each instruction stands for, beside the scalar ops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.draw import draw
from tinygrad_lecture.errors import UsageError


def training_step() -> tuple[Any, Any, Any]:
    net = tg.nn.MLP(2, [4, 4, 1], rng=0)
    rule = tg.optim.SGD(net.parameters(), lr=0.1)

    def step(X: Any) -> Any:
        rule.zero_grad()
        loss = sum((1.0 - net(list(x))).relu() for x in X)
        loss.backward()
        rule.step()
        return loss

    return tg.compile(step), net, np.random.default_rng(0).normal(size=(10, 2))


def test_instructions_tell_how_many_scalar_ops_they_stand_for() -> None:
    step, _, X = training_step()
    step(X)
    program = step.program.program
    graph = draw(step).graph
    made = [n for n in graph if n.kind == "instruction"]
    assert len(made) == step.program.stats()["instructions"]
    for node in made:
        row = int(node.id[1:])
        count = program.count[row]
        assert node.op == program.op[row]
        assert node.shape == program.shape[row]
        assert (f"stands for {count:,} scalar op{'s' if count > 1 else ''}" in node.details) is (
            count > 0
        )
    assert any(node.op == "matmul" and " @ " in node.formula for node in made)
    assert [g.label for g in graph.groups] == [f"compiled: {len(made)} instructions"]


def test_edges_are_what_an_instruction_reads() -> None:
    f = tg.compile(lambda w, x: tg.tanh(w * x + 1.0))
    f(2.0, 1.0)
    graph = draw(f.program).graph
    formulas = {n.label: n.formula for n in graph if n.formula}
    assert list(formulas.values()) == ["r1 · r2", "r3 + 1", "tanh(r4)"]
    assert {(e.source, e.target) for e in graph.edges} == {
        ("r1", "r3"),
        ("r2", "r3"),
        ("r3", "r4"),
        ("r4", "r5"),
    }


def test_with_inputs_the_scalar_ops_are_beside_it_and_nothing_is_trained() -> None:
    step, net, X = training_step()
    before = [p.data for p in net.parameters()]
    picture = draw(step, X, limit=60)
    assert [p.data for p in net.parameters()] == before
    recorded, compiled = picture.graph.groups
    step(X)
    assert recorded.label == f"recorded: {step.program.stats()['recorded_ops']:,} ops"
    assert compiled.label == f"compiled: {step.program.stats()['instructions']} instructions"
    by_op = {n.op: n.count for n in picture.graph if n.group == recorded.id}
    assert by_op["multiply"] > 500  # by op: more than 60 would be alike by level and shape
    assert "×n stands for n that are alike" in picture.graph.notes[0]
    assert "rankdir=TB" in picture.dot()  # so that the two frames are side by side
    assert "∂" not in picture.dot()


def test_small_scalar_graphs_are_drawn_row_by_row() -> None:
    f = tg.compile(lambda w, x: tg.tanh(w * x + 1.0))
    graph = draw(f, 2.0, 1.0).graph
    assert [n.formula for n in graph if n.id.startswith("s") and n.formula] == [
        "w · x",
        "s3 + 1",
        "tanh(s4)",
    ]


def test_the_bare_program_is_drawn() -> None:
    f = tg.compile(lambda x: x * x)
    f(3.0)
    assert len(draw(f.program.program).graph) == 2


def test_a_program_is_rendered() -> None:
    step, _, X = training_step()
    svg = draw(step, X, theme="dark").svg()
    assert "stands for" in svg


def test_before_the_first_call_the_error_says_what_to_do() -> None:
    step, _, X = training_step()
    with pytest.raises(UsageError, match=r"no program yet: .* tg.draw\(compiled, \*args\)"):
        draw(step)
    step(X)
    with pytest.raises(UsageError, match="inputs go with the compiled function"):
        draw(step.program, X)


def test_what_goes_in_and_out_is_named() -> None:
    step, _, X = training_step()
    graph = draw(step, X).graph
    compiled = [n for n in graph if n.id.startswith("r")]
    parts = [n for n in compiled if n.op == "inputs"]
    assert {n.label for n in parts} == {
        "[w0, w1]", "b", "[w0, w1, …, b]", "[w0, w1, w2, w3]", "lr",
    }  # fmt: skip
    assert {n.kind for n in parts if n.label != "lr"} == {"parameter"}
    assert {n.kind for n in parts if n.label == "lr"} == {"input"}
    formulas = {n.formula for n in compiled}
    first = next(n for n in compiled if n.op == "matmul")
    assert first.formula == "[w0, w1] @ Xᵀ"
    assert any(text.startswith("[w0, w1] − r") for text in formulas)  # the step of SGD
    told = [line for n in compiled for line in n.details if line.startswith("gives ")]
    assert "gives new [w0, w1]" in told
    assert "gives new [w0.grad, w1.grad]" in told
    assert sum("the result" in line for line in told) == 1
    read = {e.source for e in graph.edges} - {e.target for e in graph.edges}
    assert {n.id for n in parts} <= read


def test_arguments_are_named_by_the_signature_and_nests_by_place() -> None:
    f = tg.compile(lambda pair, *rest: pair[0] * pair[1] + rest[0])
    graph = draw(f, [2.0, 3.0], 4.0).graph
    assert [n.label for n in graph if n.id.startswith("s") and n.op == "input"] == [
        "pair[0]", "pair[1]", "s2",
    ]  # fmt: skip


def test_names_of_parameters_are_shown_literally() -> None:
    w = tg.Value(2.0, name="</TD>\\N&\n")
    f = tg.compile(lambda x: tg.tanh(w * x))
    picture = draw(f, 3.0)
    assert "&lt;/TD&gt;\\\\N&amp;\\\\n · x" in picture.dot()
    assert "<svg" in picture.svg()


def test_a_tangled_program_is_summarised() -> None:
    def chain(w: Any) -> Any:
        y = w
        for _ in range(100):
            y = tg.tanh(w * y + w)
        return y

    picture = draw(tg.compile(chain, exact=True), 0.5)
    assert {n.count for n in picture.graph if n.id.startswith("s")} == {1, 100}
    assert len(picture.graph) < 20
    assert "<svg" in picture.svg()


@pytest.mark.parametrize(
    "option", [{"depth": 1}, {"focus": "x"}, {"passes": "backward"}, {"color": "adjoint"}]
)
def test_what_a_program_does_not_have_is_refused(option: dict[str, Any]) -> None:
    fast = tg.compile(lambda x: x * x)
    fast(2.0)
    with pytest.raises(UsageError, match="a compiled function has neither modules, focus"):
        draw(fast, **option)
