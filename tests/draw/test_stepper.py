"""The stepper's steps are the tape's, its page is one safe file, and what cannot be stepped is told."""

from __future__ import annotations

import html
import html.parser
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import HOSTILE, long_graph
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import Program, on, programs

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.draw import Stepper, draw, layout, stepper
from tinygrad_lecture.draw.labels import number, short, visible
from tinygrad_lecture.engine import TABLE
from tinygrad_lecture.errors import UsageError


def neuron(**options: Any) -> Stepper:
    w, x, b = tg.Value(2.0, name="w"), tg.Value(1.0, name="x"), tg.Value(0.0, name="b")
    return stepper(tg.tanh(w * x + b), **options)


def run_program(program: Program) -> tg.Value:
    values = program.run([tg.Value(x) for x in program.inputs], on(tg))
    out: tg.Value = values[-1] + 0.0 * values[0]
    return out


# ------------------------------------------------------------------------------------- steps


@given(programs())
def test_steps_are_those_of_the_tape(program: Program) -> None:
    out = run_program(program)
    tape = tg.Tape(out)
    frames = stepper(out, digits=17).frames
    forward, (seed, *backward) = frames[: len(tape)], frames[len(tape) :]
    assert [frame.entry for frame in forward] == list(range(len(tape)))
    assert all(frame.target is None for frame in forward)
    assert (seed.entry, seed.target, seed.total) == (len(tape) - 1, len(tape) - 1, 1.0)
    steps = list(tape.steps())
    assert len(backward) == len(steps)
    before: dict[int, float] = {}
    for frame, step in zip(backward, steps, strict=True):
        assert (frame.entry, frame.target, frame.operand) == (
            step.entry.number,
            step.target,
            step.operand,
        )
        assert frame.total == step.total or np.isnan(step.total)
        numbers = [step.incoming, step.derivative, step.contribution, before.get(step.target, 0.0),
                   step.contribution, step.total]  # fmt: skip
        assert [term.text for term in frame.terms] == [number(x, 17) for x in numbers]
        before[step.target] = step.total
    complete = [frame.target for frame in backward if frame.terms[-1].name == "sum, complete"]
    assert len(complete) == len(before)
    assert set(complete) == set(before)


@given(programs())
def test_the_last_sums_are_what_backward_gives_and_no_grad_is_touched(program: Program) -> None:
    out = run_program(program)
    tape = tg.Tape(out)
    for v in tape.values:
        v.grad = 7.0 if v._op is None else None
    made = stepper(out)
    assert all(v.grad == (7.0 if v._op is None else None) for v in tape.values)
    for v in tape.values:
        v.grad = None
    out.backward()
    for i, v in enumerate(tape.values):
        np.testing.assert_array_equal(made.graph[f"e{i}"].adjoint, v.grad)


def test_numbers_are_put_into_formulas() -> None:
    a, b = tg.Value(-2.0, name="a"), tg.Value(np.array([1.0, 2.0]), name="b")
    W = tg.Value(np.arange(4.0).reshape(2, 2), name="W")
    lines = str(stepper(((a**2) * (W @ b)).sum())).splitlines()
    told = [line.split("  ", 2)[-1].strip() for line in lines if "formula" in line]
    assert told[0].startswith("formula v3 = a² = numbers put in (−2)² = value 4;")
    assert told[1].startswith("formula v4 = W @ b = numbers put in W @ [1, 2] = value [2, 8]; rule")
    assert told[2].startswith("formula v5 = v3 · v4 = numbers put in 4 · [2, 8] = value [8, 32];")


def test_rules_and_arrays_are_written_out() -> None:
    layer = nn.Linear(2, 2, rng=0)
    X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def loss(X: tg.Value) -> object:
        return layer(X).sum()

    made = stepper(loss, X)
    (weight,) = [f for f in made.frames if f.target == 0]
    assert [str(term) for term in weight.terms] == [
        "incoming adjoint g ∂v4/∂v3: [[1, 1], [1, 1], [1, 1]]",
        "→ rule of the incoming g for ∂v3/∂weight: gᵀ @ x",
        "= contribution [[ 9, 12], [ 9, 12]]",
        "sum before 0",
        "+ contribution [[ 9, 12], [ 9, 12]]",
        "= sum, complete ∂v4/∂weight: [[ 9, 12], [ 9, 12]]",
    ]
    assert weight.terms[2].text == "[[ 9, 12],\n [ 9, 12]]"
    big = stepper(lambda X: layer(X).sum(), np.ones((50, 2)))
    assert "50×2: 1" in str(big.frames[2])


def test_an_array_of_one_number_is_an_output_too() -> None:
    layer = nn.Linear(2, 1, rng=0)
    made = stepper(layer, np.array([[1.0, 2.0]]))
    assert [str(frame.terms[0]) for frame in made.frames if frame.operand is None][-1] == (
        "start ∂v3/∂v3: [[1]]"
    )
    np.testing.assert_array_equal(made.graph["e0"].adjoint, [[1.0, 2.0]])


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_op_is_stepped_through(name: str) -> None:
    for seed in range(4):
        args, kwargs = TABLE[name].sample(np.random.default_rng(seed))
        outs = TABLE[name].call(*map(wrapped, args), **kwargs)
        end = sum(tg.sum(tg.sin(out)) for out in (outs if isinstance(outs, list) else [outs]))
        assert isinstance(end, tg.Value)
        made = stepper(end)
        assert len(json.loads(made.json())["frames"]) == len(made.frames)
        assert len(str(made).splitlines()) == len(made.frames) + 1
        end.backward()
        for i, v in enumerate(tg.Tape(end).values):
            np.testing.assert_array_equal(made.graph[f"e{i}"].adjoint, v.grad)


def wrapped(x: Any) -> Any:
    """Turn the float operands of a sample into Values."""
    if isinstance(x, list) and x and isinstance(x[0], np.ndarray):
        return [tg.Value(item) for item in x]
    return tg.Value(x) if type(x) is float or getattr(x, "dtype", None) == np.float64 else x


def test_values_tapes_functions_and_modules_are_stepped_through() -> None:
    w = tg.Value(2.0)
    y = w * w
    titles = [
        stepper(y).look.title,
        stepper(tg.Tape(y)).look.title,
        stepper(lambda x: x * x, 3.0).look.title,
        stepper(nn.MLP(2, [1], rng=0), [0.5, 1.0]).look.title,
        stepper(y, title="mine").look.title,
        stepper(w * w).look.title,
    ]
    assert titles == [
        "step by step: y", "step by step: y", "step by step: <lambda>", "step by step: MLP",
        "mine", "step by step: v1",
    ]  # fmt: skip
    assert "w · w" in str(tg.draw.stepper(y))
    assert repr(neuron()) == "<Stepper of 6 entries and 12 steps>"


def test_near_a_focus_the_sums_are_still_complete() -> None:
    x = tg.Value(2.0, name="x")
    y = x * x
    out = tg.tanh(y) * x + y * x + tg.sin(tg.exp(y)) * x
    made = stepper(out, focus=y, radius=1)
    out.backward()
    assert [node.adjoint for node in made.graph] == [
        tg.Tape(out).values[int(node.id[1:])].grad for node in made.graph
    ]
    assert len(made.graph) < len(tg.Tape(out))
    into_x = [frame.terms[-1].name for frame in made.frames if frame.target == 0]
    outside = [
        f for f in made.frames if f.target == 0 and f.terms[1].name == "from entries outside"
    ]
    assert into_x == ["sum so far"] * (len(into_x) - 1) + ["sum, complete"]
    assert len(outside) == 2  # before and after the product y · x, which is near
    assert "within 1 steps of the focus" in str(made)


# -------------------------------------------------------------------------------------- page


class Page(html.parser.HTMLParser):
    """What a browser would see: tags in their order, the title, the data, the tooltips."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.links: list[str | None] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = tag
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open, []).append(data)

    @property
    def data(self) -> Any:
        return json.loads(self.texts["script"][0])


def named(name: str) -> Stepper:
    x, y = tg.Value(2.0, name=name), tg.Value(3.0, name="plain")
    return stepper(x * y, title=name)


PLAIN = Page(named("x").html())


def hostile_names(test: Callable[[str], None]) -> Callable[[], None]:
    for name in HOSTILE:
        test = example(name)(test)
    return given(
        st.text(st.characters(), min_size=1, max_size=60).filter(
            lambda t: t.strip() and not t.startswith("−")
        )
    )(test)


@settings(max_examples=60)
@hostile_names
def test_names_are_shown_literally_and_nothing_is_injected(name: str) -> None:
    text = named(name).html()
    text.encode()  # no lone surrogate
    page = Page(text)
    assert page.tags == PLAIN.tags
    assert page.texts["title"][0] == visible(name)  # the page's; tooltips of nodes follow
    assert page.texts["h1"] == [visible(name)]
    assert f"{visible(name)} (input)" in [t.replace("\xa0", " ") for t in page.texts["title"]]
    rows = page.data["rows"]
    shown = short(visible(name))
    assert rows[0]["head"] == shown
    assert rows[2]["head"] == f"v2 = {short(f'{visible(name)} · plain')}"
    given, _, product, *_ = page.data["frames"]
    assert given["terms"][0] == ["", "input", short(visible(name), 24), "2"]
    assert product["terms"][0][3] == f"v2 = {short(f'{visible(name)} · plain', 96)}"
    assert page.texts["script"][1] == PLAIN.texts["script"][1]


def test_names_of_modules_and_parameters_of_ops_are_escaped_too() -> None:
    class Evil(nn.Module):
        def forward(self, x: tg.Value) -> object:
            return tg.einsum("i,i->", x, x)

    Evil.__name__ = "</script><script>alert(1)</script>"
    text = stepper(Evil(), np.ones(2)).html()
    text.encode()
    assert text.count("<script") == 2
    assert Page(text).data["frames"][1]["terms"][0][3].startswith("v1 = einsum(x, x)")


def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    program = (
        "import sys, tinygrad_lecture as tg\n"
        "net = tg.nn.MLP(2, [4, 1], rng=0)\n"
        "page = tg.draw.stepper(net, [0.5, -1.0]).html()\n"
    )
    (tmp_path / "steps.py").write_text(f"{program}sys.stdout.buffer.write(page.encode())\n")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "steps.py")], env=os.environ | {"PYTHONHASHSEED": "1"},
        check=True, capture_output=True,
    )  # fmt: skip
    here: dict[str, Any] = {}
    exec(program, here)
    assert here["page"].encode() == done.stdout
    assert neuron().json() == neuron().json()


def test_the_page_loads_nothing() -> None:
    text = neuron().html()
    assert Page(text).links == []
    assert not re.search(r"url\(|@import|fetch\(|https?://", text)
    assert "default-src 'none'" in text


def test_300_entries_are_less_than_a_megabyte() -> None:
    out = long_graph(300)
    assert 280 <= len(tg.Tape(out)) <= 320
    made = stepper(out)
    assert len(made.html().encode()) < 1_000_000


def test_a_notebook_shows_the_same_page_in_a_frame() -> None:
    made = neuron(title='a "title" <b>')
    shown = made._repr_html_()
    (inside,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert html.unescape(inside) == made.html()
    assert 'title="a &quot;title&quot; &lt;b&gt;"' in shown


def test_without_a_dot_the_table_is_there_and_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "find_dot", lambda: None)
    page = Page(neuron().html())
    assert "svg" not in page.tags
    assert 'pip install "tinygrad_lecture[viz]"' in page.texts["p"][0] + "".join(page.texts["p"])
    assert len(page.data["rows"]) == 6


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes_have_their_colours(theme: str) -> None:
    text = neuron(theme=theme).html()
    assert f'style="color-scheme: {theme}; --background: ' in text


# ------------------------------------------------------------------------------------ errors


def test_what_cannot_be_stepped_through_is_told() -> None:
    x = tg.Value(2.0, name="x")
    compiled = tg.compile(lambda x: x * x)
    sepia: Any = "sepia"
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: stepper(x, theme=sepia), "theme must be one of light, dark; got 'sepia'"),
        (lambda: stepper(x, digits=0), "digits must be at least 1, got 0"),
        (lambda: stepper(x, limit=0), "limit must be at least 1, got 0"),
        (lambda: stepper(tg.Value(np.ones(3))), "starts at one number, and an array of shape (3,)"),
        (lambda: stepper([x * x, x + x]), "starts at one number, and 2 outputs came"),
        (lambda: stepper(x * x, 3.0), "inputs go with a module or function"),
        (lambda: stepper(3), "must be a Value, a Tape, a module or function"),
        (lambda: stepper(lambda: 3), "<lambda> returned no Value"),
        (lambda: stepper(compiled, 3.0), "a compiled function has instructions, not entries"),
        (lambda: stepper(x * x, focus="z"), "focus 'z' names nothing here"),
        (lambda: stepper(x * x, limit=1), "2 entries are more than limit=1"),
        (lambda: stepper(x * x, focus=x, limit=1), "radius=2 around the focus takes in more than"),
        (lambda: stepper(x * x).save("a.svg"), "a.svg: steps are a page, so the ending must be"),
        (lambda: stepper(x * x).save("no/folder/a.html"), "cannot write no/folder/a.html: No such"),
    ]
    for call, message in cases:
        with pytest.raises(UsageError) as caught:
            call()
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_large_graph_is_refused_at_once_and_seen_near_a_focus() -> None:
    x = tg.Value(0.5, name="x")
    y = x
    for _ in range(50_000):
        y = y * 0.5 + x
    start = time.perf_counter()
    with pytest.raises(UsageError, match="100,001 entries are more than limit=400"):
        stepper(y)
    assert time.perf_counter() - start < 5
    near = stepper(y, focus=y, radius=3)
    assert len(near.frames) < 20
    assert near.graph["e0"].adjoint == pytest.approx(2.0)


def test_a_page_is_saved(tmp_path: Path) -> None:
    made = neuron()
    made.save(tmp_path / "steps.HTML")
    assert (tmp_path / "steps.HTML").read_bytes() == made.html().encode()


def test_a_parameter_that_all_steps_use_does_not_hold_the_layout_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "SECONDS", 30.0)  # it takes 1 s; with labels on edges, minutes
    w, b, h = tg.Value(0.5, name="w"), tg.Value(0.1, name="b"), tg.Value(0.2, name="h0")
    for _ in range(95):
        h = tg.tanh(w * h + b)
    page = stepper(h).html()
    assert 'class="missing"' not in page
    assert page.count('class="node"') == len(tg.Tape(h))


def test_one_name_is_of_one_value() -> None:
    h = tg.Value(0.5, name="h")
    h = tg.tanh(h)
    text = str(stepper(h))
    assert "∂h/∂h" not in text
    assert "∂v1/∂h" in text

    def f(x: Any) -> Any:
        y = x * x
        x = y + 1.0
        return x * y

    names = [node.label for node in draw(f, 2.0).graph if node.kind != "constant"]
    assert len(set(names)) == len(names)
    assert names[0] == "x"
