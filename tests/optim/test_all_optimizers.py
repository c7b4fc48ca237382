"""All optimizers: five steps by hand, PyTorch's paths, compiled = eager, states, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_cases import CASES, KEPT, NUMBERS, PROBLEMS, STEPS, Case, Ours, draw, torch_path

import tinygrad_lecture as tg
from tinygrad_lecture import nn, optim
from tinygrad_lecture.train import load_archive, save_archive

STORED: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))
KNOWN = [case for case in CASES if case.torch is not None]


def name_of(case: Case) -> str:
    return case.ours


# ------------------------------------------------------------------------ five steps by hand


def roots(numerators: Sequence[float], squares: Sequence[float]) -> list[float]:
    return [a / math.sqrt(b) for a, b in zip(numerators, squares, strict=True)]


# γ = ¾: r = 1, 1, 1, 1, ¾ for the gradients 2, 1, −1, 1, 0, and m = ½, ⅝, 7/32, 53/128.
SIGNS = [2.0, 1.0, -1.0, 1.0, 0.0]
VARIANCES = [1 - 1 / 4, 1 - 25 / 64, 1 - 49 / 1024, 1 - 2809 / 16384, 1.0]
TURN = [1.0, 1.0, -1.0, -1.0, -1.0]
FALLING, GROWING = [5.0, 4.0, 3.0, 2.0, 1.0], [5.0, 4.0, 4.5, 2.0, 1.0]
RPROP: dict[str, Any] = {"lr": 1.0, "etas": (0.5, 2.0)}
# Optimizer, settings, gradients, the five steps θ₋ − θ; from θ = 10 on.
BY_HAND: list[tuple[Any, dict[str, Any], list[float], list[float]]] = [
    # √c = 3, 5, 13, 85, 85
    (optim.Adagrad, {"lr": 1.0, "eps": 0.0}, [3.0, 4.0, -12.0, 84.0, 0.0],
     [1.0, 4 / 5, -12 / 13, 84 / 85, 0.0]),
    # c = 9 + 16 + ... from the first step on; α = 1, ½, ⅓, ¼, ⅕; √c + ε = 6, 14, 86, ...
    (optim.Adagrad, {"lr": 1.0, "eps": 1.0, "lr_decay": 1.0, "initial_accumulator_value": 9.0},
     [4.0, 12.0, 84.0, 0.0, 0.0], [4 / 6, 6 / 14, 28 / 86, 0.0, 0.0]),
    (optim.RMSprop, {"lr": 1.0, "alpha": 0.75, "eps": 0.0}, SIGNS, SIGNS),
    (optim.RMSprop, {"lr": 1.0, "alpha": 0.75, "eps": 1.0}, SIGNS, [1.0, 0.5, -0.5, 0.5, 0.0]),
    (optim.RMSprop, {"lr": 1.0, "alpha": 0.75, "eps": 3.0, "eps_inside_sqrt": True}, SIGNS,
     [1.0, 0.5, -0.5, 0.5, 0.0]),
    (optim.RMSprop, {"lr": 1.0, "alpha": 0.75, "eps": 1.0, "momentum": 0.5}, SIGNS,
     [1.0, 1.0, 0.0, 0.5, 0.25]),
    (optim.RMSprop, {"lr": 1.0, "alpha": 0.75, "eps": 0.0, "centered": True}, SIGNS,
     roots(SIGNS, VARIANCES)),
    # m = ½, ¾, −⅝, ..., halving; v = ½, ¾, 19/8, ..., halving; 1 − βᵗ = ½, ¾, ⅞, ...
    (optim.Adam, {"lr": 1.0, "betas": (0.5, 0.5), "eps": 0.0}, [1.0, 1.0, -2.0, 0.0, 0.0],
     [1.0, 1.0, *roots([-5 / 8, -5 / 16, -5 / 32],
                       [19 / 8 * 7 / 8, 19 / 16 * 15 / 16, 19 / 32 * 31 / 32])]),
    (optim.Adam, {"lr": 1.0, "betas": (0.0, 0.75), "eps": 0.0, "bias_correction": False}, SIGNS, SIGNS),
    # v = 4, 3¼, ...: the largest stays 4
    (optim.Adam, {"lr": 1.0, "betas": (0.0, 0.75), "eps": 0.0, "bias_correction": False,
                  "amsgrad": True}, [4.0, 1.0, -2.0, 1.0, 0.0], [2.0, 0.5, -1.0, 0.5, 0.0]),
    # θ = 10, 9, 6.25, 5.1875, 3.390625, 2.54296875: a quarter of θ, and half of Adam's step
    (optim.AdamW, {"lr": 0.5, "betas": (0.0, 0.75), "eps": 0.0, "bias_correction": False,
                   "weight_decay": 0.5}, [-4.0 / math.sqrt(4.0) * -1.0, 1.0, -1.0, 1.0, 0.0],
     [3.5, 2.125, 0.59375, 1.4453125, 0.583984375]),
    # m = 2, 3/2, −13/4, −5/8, −5/16; u = 4, 2, 8, 4, 2
    (optim.Adamax, {"lr": 1.0, "betas": (0.5, 0.5), "eps": 0.0}, [4.0, 1.0, -8.0, 2.0, 0.0],
     [2 / 4 * 2, 3 / 4 * 4 / 3, -13 / 32 * 8 / 7, -5 / 32 * 16 / 15, -5 / 32 * 32 / 31]),
    # γ = 1/2, 1/3, 1/4, 1/5, 1/6 of θ = 10, 5, 10/3, 5/2, 2
    (optim.ASGD, {"lr": 0.5, "lambd": 1.0, "alpha": 1.0}, [0.0] * 5, [5.0, 5 / 3, 5 / 6, 0.5, 1 / 3]),
    (optim.ASGD, {"lr": 1.0, "lambd": 0.0}, [1.0, 1.0, -2.0, 1.0, 0.0], [1.0, 1.0, -2.0, 1.0, 0.0]),
    # Δ = 1, 2, 1, ...
    (optim.Rprop, {**RPROP, "variant": "rprop-"}, TURN, [1.0, 2.0, -1.0, -2.0, -4.0]),
    (optim.Rprop, {**RPROP, "variant": "rprop+"}, TURN, [1.0, 2.0, -2.0, -1.0, -2.0]),
    (optim.Rprop, {**RPROP, "variant": "irprop-"}, TURN, [1.0, 2.0, 0.0, -1.0, -2.0]),
    (optim.Rprop, {**RPROP, "variant": "irprop+", "losses": FALLING}, TURN, [1.0, 2.0, 0.0, -1.0, -2.0]),
    (optim.Rprop, {**RPROP, "variant": "irprop+", "losses": GROWING}, TURN, [1.0, 2.0, -2.0, -1.0, -2.0]),
    (optim.Rprop, {**RPROP, "step_sizes": (1.5, 2.5)}, TURN, [1.5, 2.5, 0.0, -1.5, -2.5]),
    # gains 1, 1.05, 1.1, 1.045, .99275
    (optim.GainSGD, {"lr": 1.0}, [1.0, 1.0, 1.0, -1.0, 2.0], [1.0, 1.05, 1.1, -1.045, 1.9855]),
    # a gradient of 0 keeps no sign: gains 1, .95, .9025, .9525, .904875
    (optim.GainSGD, {"lr": 1.0}, [1.0, 0.0, 1.0, 1.0, -1.0], [1.0, 0.0, 0.9025, 0.9525, -0.904875]),
    (optim.GainSGD, {"lr": 1.0, "increase": 0.5, "decrease": 0.5, "clip": (0.5, 1.5)},
     [1.0, 1.0, 1.0, -1.0, 1.0], [1.0, 1.5, 1.5, -0.75, 0.5]),
]  # fmt: skip


@pytest.mark.parametrize("start", [10.0, [10.0, 10.0]], ids=["number", "array"])
@pytest.mark.parametrize(
    ("kind", "settings", "gradients", "steps"), BY_HAND, ids=[f"{k.__name__} {s}" for k, s, *_ in BY_HAND]
)  # fmt: skip
def test_five_steps_by_hand(
    kind: Any, settings: dict[str, Any], gradients: list[float], steps: list[float], start: Any
) -> None:
    settings = dict(settings)
    losses = settings.pop("losses", [None] * 5)
    p = tg.Value(start)
    optimizer = kind([p], **settings)
    for g, loss, position in zip(gradients, losses, 10.0 - np.cumsum(steps), strict=True):
        optimizer.zero_grad()
        p.grad = g
        optimizer.step(loss)
        np.testing.assert_allclose(p.data, position, rtol=0, atol=1e-13)
        assert type(p.data) is type(tg.Value(start).data)


def test_the_average_of_asgd_by_hand() -> None:
    # θ = 9, 8, 10, 9, 12 and μ = 1, 1, 1, ½, ⅓ for t₀ = 1: the mean from step 3 on.
    p = tg.Value([10.0])
    optimizer = optim.ASGD([p], lr=1.0, lambd=0.0, t0=1)
    for g, mean in zip([1, 1, -2, 1, -3], [9, 8, 10, 9.5, 31 / 3], strict=True):
        optimizer.zero_grad()
        p.grad = np.array([float(g)])
        optimizer.step()
        assert optimizer.state[p]["ax"][0] == pytest.approx(mean, rel=1e-14)


def test_the_average_of_asgd_is_pytorchs() -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, settings = rng.normal(size=3), {"lr": 0.05, "lambd": 0.1, "t0": 5.0}
    p, q = tg.Value(start), torch.tensor(start, requires_grad=True)
    ours, theirs = optim.ASGD([p], **settings), torch.optim.ASGD([q], **settings)
    for g in rng.normal(size=(30, 3)):
        ours.zero_grad()
        p.grad, q.grad = g, torch.tensor(g)
        ours.step()
        theirs.step()
        # PyTorch keeps rates in float32
        np.testing.assert_allclose(ours.state[p]["ax"], theirs.state[q]["ax"].numpy(), rtol=1e-6)


# ---------------------------------------------------------------------------- PyTorch's paths


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("case", KNOWN, ids=name_of)
def test_a_hundred_steps_are_pytorchs_with_a_reload_in_the_middle(
    case: Case, problem: str, tmp_path: Path
) -> None:
    ours, theirs = Ours(case, problem, STORED["data"]), iter(STORED["paths"][repr(case)][problem])
    for step in range(STEPS):
        if step == STEPS // 2:
            save_archive(tmp_path / "state.npz", "test", ours.optimizer.state_dict())
            other = {"lr": 7.0} if "lr" not in case.second else {}
            ours.optimizer = Case(case.ours, other).make(ours.w, ours.b)
            ours.optimizer.load_state_dict(load_archive(tmp_path / "state.npz", "test"))
        ours.take(ours.batch(step))
        if step + 1 in KEPT:
            np.testing.assert_allclose(ours.position, next(theirs), rtol=1e-12, atol=1e-12)
    assert next(theirs, None) is None


@pytest.mark.parametrize("case", KNOWN, ids=name_of)
def test_the_stored_numbers_are_pytorchs(case: Case) -> None:
    torch: Any = pytest.importorskip("torch")
    assert draw() == STORED["data"]
    for problem, stored in STORED["paths"][repr(case)].items():
        np.testing.assert_allclose(
            torch_path(torch, case, problem, STORED["data"]), stored, rtol=1e-12, atol=1e-12
        )


def test_every_optimizer_and_every_stored_path_has_a_case() -> None:
    kinds = {k for k in optim.__all__ if k not in ("Optimizer", "LBFGS") and k[0].isupper()}
    assert kinds == {case.ours.partition("(")[0] for case in CASES}
    assert kinds - {"SGD"} == {kind.__name__ for kind, *_ in BY_HAND}  # SGD: test_sgd.py
    assert set(STORED["paths"]) == {repr(case) for case in KNOWN}


# ---------------------------------------------------------------------------- compiled = eager


@pytest.mark.parametrize("problem", ["logistic", "noisy"])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_compiled_steps_are_eager_steps(case: Case, problem: str) -> None:
    ours, theirs = (Ours(case, problem, STORED["data"]) for _ in range(2))
    compiled: Any = tg.compile(ours.take)
    for step in range(12):
        if step == 6:  # settings count at once
            for optimizer in (ours.optimizer, theirs.optimizer):
                optimizer.param_groups[0]["lr"] *= 0.5
        compiled(ours.batch(step))
        theirs.take(theirs.batch(step))
        np.testing.assert_allclose(ours.position, theirs.position, rtol=1e-12, atol=1e-13)
        for p, q in ((ours.w, theirs.w), (ours.b, theirs.b)):
            mine, other = (x.optimizer.state.get(y, {}) for x, y in ((ours, p), (theirs, q)))
            assert list(mine) == list(other)
            for key, value in other.items():
                assert type(mine[key]) is type(value)
                np.testing.assert_allclose(mine[key], value, rtol=1e-11, atol=1e-13)
    assert compiled.eager_calls == 0
    assert len(compiled.paths) <= 2  # with and without a state


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_float32_stays_float32(case: Case) -> None:
    for step in (lambda f: f, tg.compile):
        w, b = tg.Value(np.ones((2, 3), np.float32)), tg.Value(np.ones(2, np.float32))
        optimizer = case.make(w, b)

        def take(x: Any, w: Any = w, b: Any = b, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (tg.matmul(w, x) + b - 0.3).sum() ** 2
            loss.backward()
            optimizer.step(loss)
            return loss

        run = step(take)
        for scale in (1.0, -2.0, 0.5):
            run(np.array([0.1, 0.2, -0.5], np.float32) * np.float32(scale))
        for p in (w, b):
            assert p.data.dtype == np.float32
            for key, value in optimizer.state.get(p, {}).items():
                assert key in ("step", "loss") or value.dtype == np.float32, key


# ------------------------------------------------------------------------------------- states


@pytest.mark.parametrize("case", [c for c in CASES if c.ours != "SGD(params, lr=0.1)"], ids=name_of)
def test_states_that_cannot_be_are_refused(case: Case) -> None:
    ours = Ours(case, "quadratic", STORED["data"])
    ours.take(ours.batch(0))
    good = ours.optimizer.state_dict()
    entry = good["state"][0]
    key = next(key for key, value in entry.items() if np.ndim(value))
    for bad, message in [
        ({k: v for k, v in entry.items() if k != key}, "parameter 0 .w, .*it has "),
        ({**entry, "other": 1.0}, "parameter 0 .w, .*it has "),
        ({**entry, key: 1.0}, key + r" must have the parameter's shape \(4,\), got 1.0"),
        ({**entry, key: np.ones(3)}, key + r" of parameter 0 .*\(3,\)"),
    ]:
        if bad:  # nothing at all is a parameter that had no step yet
            with pytest.raises(ValueError, match=message):
                ours.optimizer.load_state_dict({**good, "state": {0: bad}})
    for number in ("step", "loss"):
        if number in entry:
            with pytest.raises(ValueError, match=f"{number} must be a number"):
                ours.optimizer.load_state_dict({**good, "state": {0: {**entry, number: "3"}}})
    ours.optimizer.load_state_dict(good)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_state_carried_over_through_a_file_changes_no_bit(
    case: Case, compile: bool, tmp_path: Path
) -> None:
    ours, whole = (Ours(case, "noisy", STORED["data"]) for _ in range(2))
    mine, other = (tg.compile(x.take) if compile else x.take for x in (ours, whole))
    for step in range(8):
        if step == 4:
            save_archive(tmp_path / "state.npz", "test", ours.optimizer.state_dict())
            ours.optimizer = Case(case.ours, {}).make(ours.w, ours.b)
            ours.optimizer.load_state_dict(load_archive(tmp_path / "state.npz", "test"))
            mine = tg.compile(ours.take) if compile else ours.take
        mine(ours.batch(step))
        other(whole.batch(step))
        assert ours.position == whole.position
    for p, q in ((ours.w, whole.w), (ours.b, whole.b)):
        a, b = ours.optimizer.state.get(p, {}), whole.optimizer.state.get(q, {})
        assert {k: (type(x), np.array(x).tolist()) for k, x in a.items()} == {
            k: (type(x), np.array(x).tolist()) for k, x in b.items()
        }


# ----------------------------------------------------------------------------------- refusals

REFUSED: list[tuple[str, str]] = [
    ("Adam(p, betas=(0.9, 1.0))", r"Adam: betas\[1\] must be at least 0 and below 1, got 1.0"),
    ("Adam(p, amsgrad=1)", "Adam: amsgrad must be True or False, got 1"),
    ("Adam(p, bias_correction='no')", "Adam: bias_correction must be True or False, got 'no'"),
    ("AdamW(p, lr=-1)", "AdamW: lr must be at least 0, got -1"),
    ("AdamW(p, betas=0.9)", "AdamW: betas must be a pair such as"),
    ("AdamW(p, weight_decay=-1)", "AdamW: weight_decay must be at least 0"),
    ("Adamax(p, lr=float('nan'))", "Adamax: lr must be at least 0, got nan"),
    ("Adamax(p, betas=(-0.1, 0.9))", r"Adamax: betas\[0\] must be at least 0 and below 1"),
    ("Adamax(p, eps=-1)", "Adamax: eps must be at least 0"),
    ("Adamax(p, weight_decay=-1)", "Adamax: weight_decay must be at least 0"),
    ("Adagrad(p, lr=-1)", "Adagrad: lr must be at least 0"),
    ("Adagrad(p, lr_decay=-1)", "Adagrad: lr_decay must be at least 0"),
    ("Adagrad(p, weight_decay=-1)", "Adagrad: weight_decay must be at least 0"),
    ("Adagrad(p, initial_accumulator_value=-1)", "initial_accumulator_value must be at least 0"),
    ("Adagrad(p, eps=-1)", "Adagrad: eps must be at least 0"),
    ("RMSprop(p, lr=-1)", "RMSprop: lr must be at least 0"),
    ("RMSprop(p, alpha=1.0)", "RMSprop: alpha must be at least 0 and below 1"),
    ("RMSprop(p, eps=-1)", "RMSprop: eps must be at least 0"),
    ("RMSprop(p, weight_decay=-1)", "RMSprop: weight_decay must be at least 0"),
    ("RMSprop(p, momentum=1)", "RMSprop: momentum must be at least 0 and below 1"),
    ("RMSprop(p, centered=0)", "RMSprop: centered must be True or False, got 0"),
    ("RMSprop(p, eps_inside_sqrt=None)", "RMSprop: eps_inside_sqrt must be True or False"),
    ("ASGD(p, lr=-1)", "ASGD: lr must be at least 0"),
    ("ASGD(p, lambd=-1)", "ASGD: lambd must be at least 0"),
    ("ASGD(p, alpha=-1)", "ASGD: alpha must be at least 0"),
    ("ASGD(p, t0=-1)", "ASGD: t0 must be at least 0"),
    ("ASGD(p, weight_decay=-1)", "ASGD: weight_decay must be at least 0"),
    ("Rprop(p, lr=-1)", "Rprop: lr must be at least 0"),
    ("Rprop(p, etas=0.5)", r"Rprop: etas must be a pair such as \(0.5, 1.2\), got 0.5"),
    ("Rprop(p, etas=(1.2, 0.5))", "Rprop: etas must be 0 < η⁻ < 1 < η⁺, got .1.2, 0.5."),
    ("Rprop(p, step_sizes=(1,))", "Rprop: step_sizes must be a pair such as"),
    ("Rprop(p, step_sizes=(2.0, 1.0))", "Rprop: step_sizes must be 0 <= smallest <= largest"),
    ("Rprop(p, variant='rprop')", "Rprop: variant must be one of \"rprop.\", .* got 'rprop'"),
    ("GainSGD(p, lr=-1)", "GainSGD: lr must be at least 0"),
    ("GainSGD(p, lr=1, clip=3)", r"GainSGD: clip must be a pair such as \(0.1, 10.0\), got 3"),
    ("GainSGD(p, lr=1, clip=(2, 3))", "GainSGD: clip must be 0 <= smallest <= 1 <= largest"),
    ("GainSGD(p, lr=1, increase=-1)", "GainSGD: increase must be at least 0"),
    ("GainSGD(p, lr=1, decrease=1)", "GainSGD: decrease must be at least 0 and below 1"),
    ("GainSGD(p, lr=1, weight_decay=-1)", "GainSGD: weight_decay must be at least 0"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text for text, _ in REFUSED])
def test_settings_out_of_their_range_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        eval(text, {**vars(optim), "p": [tg.Value(1.0)]})


def test_a_rprop_that_needs_the_loss_says_so_and_moves_nothing() -> None:
    p = tg.Value(1.0)
    optimizer = optim.Rprop([p], variant="irprop+")
    (p * p).backward()
    with pytest.raises(ValueError, match=r'variant="irprop\+" compares the loss .*step\(loss\)'):
        optimizer.step()
    assert p.data == 1.0
    assert optimizer.state == {}


# --------------------------------------------------------------- what the lecture says of them


def rprop_by_the_paper(variant: str, gradients: Any, losses: Any) -> Any:
    """Igel and Hüsken's pseudo code, number by number; returns the path from 0."""
    paths = []
    for column in gradients.T:
        theta, delta, before, change, path = 0.0, 0.1, 0.0, 0.0, []
        for t, g in enumerate(column):
            if g * before > 0:
                delta = min(1.2 * delta, 50.0)
                change = -np.sign(g) * delta
                before = g
            elif g * before < 0:
                delta = max(0.5 * delta, 1e-6)
                if variant == "rprop-":
                    change, before = -np.sign(g) * delta, g
                elif variant == "rprop+" or (variant == "irprop+" and losses[t] > losses[t - 1]):
                    change, before = -change, 0.0
                else:
                    change, before = 0.0, 0.0
            else:
                change, before = -np.sign(g) * delta, g
            theta += change
            path.append(theta)
        paths.append(path)
    return np.array(paths).T


@pytest.mark.parametrize("variant", ["rprop-", "rprop+", "irprop-", "irprop+"])
def test_rprop_is_the_papers_pseudo_code(variant: Any) -> None:
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(200, 5)) + np.sin(np.arange(200) / 10)[:, None]
    gradients[rng.random(gradients.shape) < 0.1] = 0.0
    losses = rng.normal(size=200)
    expected = rprop_by_the_paper(variant, gradients, losses)
    p = tg.Value(np.zeros(5))
    optimizer = optim.Rprop([p], lr=0.1, variant=variant)
    for g, loss, position in zip(gradients, losses, expected, strict=True):
        optimizer.zero_grad()
        p.grad = g
        optimizer.step(float(loss))
        np.testing.assert_allclose(p.data, position, rtol=1e-12, atol=1e-13)


def test_tiny_gradients_keep_their_sign_though_their_products_underflow() -> None:
    for kind, key, grown in ((optim.Rprop, "step_size", 0.12), (optim.GainSGD, "gain", 1.05)):
        p = tg.Value([0.0, 0.0])
        optimizer: Any = kind([p], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            p.grad = np.array([1e-200, -1e-200])
            optimizer.step()
        np.testing.assert_allclose(optimizer.state[p][key], grown, rtol=1e-14)


@pytest.mark.parametrize("inside", [False, True])
def test_the_place_of_eps_matters_for_small_gradients(inside: bool) -> None:
    # L34: r = g², ε = 1e-8, g = 1e-6: .0100α inside of the root, .990α outside.
    p = tg.Value(0.0)
    optimizer = optim.RMSprop([p], lr=1.0, alpha=0.5, eps=1e-8, eps_inside_sqrt=inside)
    for _ in range(60):
        before = p.data
        optimizer.zero_grad()
        p.grad = 1e-6
        optimizer.step()
    expected = 1e-6 / math.sqrt(1e-12 + 1e-8) if inside else 1e-6 / (1e-6 + 1e-8)
    assert before - p.data == pytest.approx(expected, rel=1e-6)


def test_a_centered_rms_is_not_nan_where_the_gradient_never_changes() -> None:
    p = tg.Value(np.zeros(50))
    optimizer = optim.RMSprop([p], centered=True, alpha=0.5)
    g = np.random.default_rng(0).normal(size=50)
    for _ in range(200):
        optimizer.zero_grad()
        p.grad = g
        optimizer.step()
    assert np.isfinite(p.data).all()


def test_adamax_moves_by_no_more_than_its_bound_and_reaches_it() -> None:
    # L36: α(1 − β₁)/(1 − β₁/β₂) = 1.0091α, reached by gradients that fade as u does.
    p = tg.Value(0.0)
    optimizer = optim.Adamax([p], lr=1.0, eps=0.0)
    steps = []
    for t in range(1, 300):
        before = p.data
        optimizer.zero_grad()
        p.grad = 0.999**t
        optimizer.step()
        steps.append(before - p.data)
    assert max(steps) == pytest.approx(0.1 / (1 - 0.9 / 0.999), rel=1e-9)


def test_adamw_shrinks_all_weights_alike_and_adam_does_not() -> None:
    large = np.array([1000.0, -0.001])
    ends = {}
    for kind in (optim.Adam, optim.AdamW):
        with_decay, without = (tg.Value([1.0, 1.0]) for _ in range(2))
        for p, decay in ((with_decay, 0.1), (without, 0.0)):
            optimizer = kind([p], lr=0.01, weight_decay=decay)
            for step in range(50):
                optimizer.zero_grad()
                p.grad = large * (-1.0) ** step
                optimizer.step()
        ends[kind] = without.data - with_decay.data
    assert ends[optim.AdamW][0] == pytest.approx(ends[optim.AdamW][1], rel=0.2)
    assert ends[optim.Adam][1] > 50 * ends[optim.Adam][0]


def test_fit_gives_the_loss_to_an_optimizer_that_looks_at_it() -> None:
    X, y = tg.data.xor(signed=True)
    ends = []
    for compile in (False, True):
        model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 2, rng=1))
        optimizer = optim.Rprop(model.parameters(), variant="irprop+")
        run = tg.train.fit(
            model,
            nn.CrossEntropyLoss(),
            optimizer,
            (X, y),
            epochs=150,
            compile=compile,
            progress=False,
        )
        ends.append(run.history[-1]["train_loss"])
    assert ends[0] < 1e-3
    assert ends[1] == pytest.approx(ends[0], rel=1e-6)
