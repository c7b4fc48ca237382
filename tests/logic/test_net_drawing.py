"""Pictures of threshold networks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tinygrad_lecture import logic
from tinygrad_lecture.errors import UsageError


@pytest.mark.parametrize(
    "net",
    [logic.NOT(), logic.xor_net(), logic.parity_dnf(3), logic.parity_tree(5), logic.CNFNet.from_truth_table([1, 1])],
)  # fmt: skip
def test_each_weight_is_an_edge_and_each_neuron_shows_its_bias(net: logic.ThresholdNet) -> None:
    source = logic.draw_net(net).source
    edges = re.findall(r"^  v(\d+) -> v(\d+) .*color=\"(#\w+)\", font", source, re.MULTILINE)
    wanted, number = [], net.n_inputs
    for layer in net.layers:
        for row, bias in zip(layer.weight, layer.bias, strict=True):
            assert f'  v{number} [label="{bias:+g}"]' in source
            wanted += [
                (str(i), str(number), "#0072b2" if w > 0 else "#d55e00")
                for i, w in zip(layer.inputs, row, strict=True)
                if w
            ]
            number += 1
    assert edges == wanted
    assert len(wanted) == net.n_connections
    assert f"  v{number - 1} -> y" in source


def test_weights_are_written_unless_many_are_plus_or_minus_one() -> None:
    assert "headlabel" in logic.draw_net(logic.xor_net()).source
    assert "headlabel" not in logic.draw_net(logic.parity_dnf(4)).source
    many = logic.ThresholdNeuron([2.0] * 20, -1.0)
    assert logic.draw_net(many).source.count('headlabel="+2"') == 20


def test_names_cannot_break_out_of_the_text() -> None:
    source = logic.draw_net(logic.NOT(), ['a"]; b\\']).source
    assert 'label="a\\"]; b\\\\"' in source
    pytest.importorskip("graphviz")
    assert "<svg" in logic.draw_net(logic.NOT(), ['a"]; b\\']).svg()


def test_too_few_names_are_told() -> None:
    with pytest.raises(UsageError, match="names must be 2, one for each input; got 1"):
        logic.draw_net(logic.xor_net(), ["a"])


def test_a_notebook_shows_the_picture_or_says_what_is_missing(
    monkeypatch: Any, tmp_path: Any
) -> None:
    pytest.importorskip("graphviz")
    picture = logic.draw_net(logic.xor_net())
    shown = picture._repr_mimebundle_()
    assert "<svg" in shown["image/svg+xml"]
    assert shown["text/plain"] == "<NetDrawing of 6 weights>"
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    alone = picture._repr_mimebundle_()
    assert list(alone) == ["text/plain"]
    assert "pip install" in alone["text/plain"]
    assert "digraph" in alone["text/plain"]
