"""The tape: table, steps, replay, JSON, counts, and its own check."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lecture as tg


def neuron() -> tuple[tg.Value, tg.Value, tg.Value]:
    w, x = tg.Value(3.0, name="w"), tg.Value(2.0, name="x")
    return w, x, (2.0 - w * x).tanh() / x


def test_steps_sum_up_to_the_adjoints_and_touch_no_grad() -> None:
    w, x, out = neuron()
    tape = tg.Tape(out)
    totals = {s.target: s.total for s in tape.steps()}
    assert w.grad is None
    out.backward()

    assert totals[tape.position(w)] == w.grad
    assert totals[tape.position(x)] == x.grad
    for s in tape.steps():
        assert s.contribution == s.incoming * s.derivative


def test_the_table_has_a_line_per_entry_and_says_what_is_not_computed() -> None:
    _, _, out = neuron()
    lines = str(tg.Tape(out)).splitlines()

    assert len(lines) == 1 + len(tg.Tape(out))
    assert all(line.endswith("not computed") for line in lines[1:])


def test_replay_at_other_points_equals_a_fresh_run_and_takes_the_complex_step() -> None:
    w, _, out = neuron()
    again = tg.Tape(out).replay({"w": 1.5, "x": 0.5})

    assert again == pytest.approx(float(np.tanh(2.0 - 1.5 * 0.5) / 0.5), rel=1e-15)
    out.backward()
    step = tg.Tape(out).replay({w: complex(3.0, 1e-20)})
    assert step.imag / 1e-20 == pytest.approx(w.grad, rel=1e-12)
    with pytest.raises(TypeError, match="relu is not analytic"):
        tg.Tape(w.relu()).replay({w: 1j})
    with pytest.raises(KeyError, match="0 values on this tape are named 'q'"):
        tg.Tape(out).replay({"q": 1.0})


def test_json_and_stats() -> None:
    _, _, out = neuron()
    tape = tg.Tape(out)
    data = json.loads(tape.to_json())

    assert [e["op"] for e in data["entries"]] == [e.op for e in tape]
    assert data["entries"][3]["inputs"] == [{"constant": 2.0}, 2]
    assert tape.stats()["entries"] == len(tape) == 6
    assert tape.stats()["leaves"] == 2
    assert tape.stats()["bytes"] > 0


def test_verify_finds_a_corrupted_record() -> None:
    _, _, out = neuron()
    tape = tg.Tape(out)
    tape.verify()
    out._data = 7.0
    with pytest.raises(AssertionError, match="does not give its primal"):
        tape.verify()


def test_what_has_no_record_is_refused() -> None:
    with pytest.raises(TypeError, match="hold no Value"):
        tg.Tape(3.0)
