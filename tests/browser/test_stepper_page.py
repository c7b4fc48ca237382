"""The stepper in a browser: its numbers are the tape's, by click, keyboard and slider."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from graphs import HOSTILE, long_graph, random_output

import tinygrad_lecture as tg
from tinygrad_lecture import nn
from tinygrad_lecture.draw import layout, stepper
from tinygrad_lecture.draw.labels import short, visible

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

Opened = Callable[..., "Page"]
DESKTOP, PHONE = (1440, 900), (390, 844)

STATE = """() => ({
  status: document.getElementById("status").textContent,
  terms: [...document.querySelectorAll("#now dl > div")].map((term) =>
    [term.querySelector("dt").textContent.trim(), term.querySelector("span").textContent]),
  rows: [...document.querySelectorAll("tbody tr")].map((row) =>
    [row.cells[2].textContent, row.cells[3].textContent]),
  nodes: [...document.querySelectorAll("svg .node:has(.adjoint)")].map((node) =>
    [node.id, node.querySelector(".primal").textContent, node.querySelector(".adjoint").textContent]),
  current: [...document.querySelectorAll("tbody tr")].findIndex((row) => row.ariaCurrent === "step"),
  lit: [...document.querySelectorAll("svg .node.here")].map((node) => node.id),
  receives: [...document.querySelectorAll("svg .node.there")].map((node) => node.id),
  edges: [...document.querySelectorAll("svg .edge.flow")].map((edge) => edge.id),
})"""


def read(text: str) -> float | None:
    """Return a number from the page; None where it is not computed yet."""
    text = text.removeprefix("∂ ")
    return None if text in ("", "?") else float(text.replace("−", "-"))


def same(a: Any, b: Any) -> bool:
    return a == b or (a is not None and b is not None and np.isnan(a) and np.isnan(b))


def check_step(page: Page, tape: tg.Tape, k: int) -> None:
    """Compare all numbers in sight at step k with the tape."""
    state = page.evaluate(STATE)
    steps = list(tape.steps())
    n = len(tape)
    assert state["status"].startswith(f"Step {k + 1} of {n + 1 + len(steps)}, ")
    sums: dict[int, float] = {n - 1: 1.0} if k >= n else {}
    sums.update((step.target, step.total) for step in steps[: max(0, k - n)])
    for i, (value, adjoint) in enumerate(state["rows"]):
        assert same(read(value), tape.values[i].data if i <= k else None)
        assert same(read(adjoint), sums.get(i))
    assert len(state["nodes"]) == n
    for id, value, adjoint in state["nodes"]:
        i = int(id[1:])
        assert same(read(value), tape.values[i].data if i <= k else None)
        assert same(read(adjoint), sums.get(i))
    if k <= n:
        at = min(k, n - 1)
        assert (state["current"], state["lit"], state["receives"]) == (at, [f"e{at}"], [])
        return
    step = steps[k - n - 1]
    i, j = step.entry.number, step.target
    assert (state["current"], state["lit"], state["receives"]) == (i, [f"e{i}"], [f"e{j}"])
    assert state["edges"] == [f"e{i}_{step.operand}"]
    before = {s.target: s.total for s in steps[: k - n - 1]}.get(j, 0.0)
    numbers = [
        step.incoming,
        step.derivative,
        step.contribution,
        before,
        step.contribution,
        step.total,
    ]
    assert all(same(read(text), x) for (_, text), x in zip(state["terms"], numbers, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_each_way_to_the_end_shows_the_numbers_of_the_tape(seed: int, opened: Opened) -> None:
    out = random_output(seed)
    tape = tg.Tape(out)
    page = opened(stepper(out, digits=17).html())
    end = len(tape) + len(list(tape.steps()))
    for k in range(end):  # by keyboard
        check_step(page, tape, k)
        page.keyboard.press("ArrowRight")
    check_step(page, tape, end)
    page.keyboard.press("ArrowRight")  # there is no more
    check_step(page, tape, end)
    out.backward()
    shown = [read(adjoint) for _, adjoint in page.evaluate(STATE)["rows"]]
    assert all(same(a, v.grad) for a, v in zip(shown, tape.values, strict=True))
    page.keyboard.press("Home")
    check_step(page, tape, 0)
    for _ in range(end):
        page.locator("#step").click()
    check_step(page, tape, end)
    for k in (0, end // 3, end // 2, end):
        page.locator("#slider").fill(str(k))
        check_step(page, tape, k)


def neuron(**options: Any) -> tuple[tg.Tape, str]:
    w, x, b = tg.Value(2.0, name="w"), tg.Value(1.0, name="x"), tg.Value(0.5, name="b")
    y = tg.tanh(w * x + b)
    return tg.Tape(y), stepper(y, digits=17, **options).html()


def test_buttons_and_keys_go_to_the_ends_and_back(opened: Opened) -> None:
    tape, html = neuron()
    page = opened(html)
    for press, k in [
        ("#last", 11), ("#last", 11), ("#back", 10), ("#first", 0), ("#back", 0), ("#step", 1),
    ]:  # fmt: skip
        page.locator(press).click(force=True)  # at an end, a button says that it does nothing
        check_step(page, tape, k)
    disabled = [page.locator(f"#{id}").get_attribute("aria-disabled") for id in ("back", "last")]
    assert disabled == ["false", "false"]
    page.keyboard.press("End")
    check_step(page, tape, 11)
    assert page.locator("#step").get_attribute("aria-disabled") == "true"
    page.keyboard.press("ArrowLeft")
    check_step(page, tape, 10)
    page.keyboard.press("Control+ArrowLeft")  # the browser's
    check_step(page, tape, 10)
    page.locator("#slider").focus()
    page.keyboard.press("ArrowLeft")
    check_step(page, tape, 9)  # one step, not two
    page.keyboard.press("Home")
    check_step(page, tape, 0)
    page.locator("#step").focus()
    page.keyboard.press("Space")
    check_step(page, tape, 1)  # the button, not play
    assert page.locator("#play").text_content() == "Play"


def test_a_click_on_a_node_or_a_row_goes_there(opened: Opened) -> None:
    tape, html = neuron()
    page = opened(html)
    page.locator("#e3").click()
    check_step(page, tape, 3)
    page.locator("tbody tr").nth(5).click()
    check_step(page, tape, 5)
    page.locator("#last").click()
    page.locator("#e4").click()  # backward: where it passes its adjoint on
    check_step(page, tape, 8)
    page.locator("tbody tr").nth(1).locator("button").click()  # a leaf: where its sum is complete
    check_step(page, tape, 11)
    page.locator("#e5").click()
    check_step(page, tape, 6)


def test_play_goes_on_by_itself_until_a_pause_or_the_end(opened: Opened) -> None:
    from playwright.sync_api import expect

    tape, html = neuron()
    page = opened(html)
    page.locator("#speed").select_option("fast")
    page.locator("h1").click()
    page.keyboard.press("Space")
    assert page.locator("#play").text_content() == "Pause"
    assert page.locator("#said").get_attribute("aria-live") == "off"
    expect(page.locator("#status")).to_have_text(re.compile("Step [4-9] of"))
    page.keyboard.press("Space")
    assert page.locator("#play").text_content() == "Play"
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    stopped = page.locator("#status").text_content()
    page.wait_for_timeout(600)
    assert page.locator("#status").text_content() == stopped
    page.locator("#play").click()
    expect(page.locator("#play")).to_have_text("Play", timeout=20_000)
    check_step(page, tape, 11)
    page.locator("#play").click()  # from the start again
    expect(page.locator("#status")).to_have_text(re.compile("Step [1-3] of"))


def test_a_screen_reader_is_told_each_step(opened: Opened) -> None:
    _, html = neuron()
    page = opened(html)
    page.keyboard.press("End")
    said = page.locator("#said").text_content() or ""
    assert said.startswith("Step 12 of 12, backward pass. incoming adjoint ∂y/∂v3: ")
    assert "× local derivative ∂v3/∂x: 2 = contribution" in said
    assert page.locator("#slider").get_attribute("aria-valuetext") == "Step 12 of 12, backward pass"
    tree = page.locator("body").aria_snapshot()
    for part in (
        'button "Play"',
        'slider "Step"',
        'region "Tape"',
        'row "',
        'columnheader "adjoint"',
    ):
        assert part in tree


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(opened: Opened, theme: Any, size: tuple[int, int]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    layer = nn.Linear(2, 3, rng=0)

    def loss(X: tg.Value, labels: Any) -> object:
        return tg.softmax_cross_entropy(tg.tanh(layer(X)), labels).mean()

    arrays = stepper(loss, np.ones((3, 2)), np.array([0, 1, 2]), theme=theme).html()
    for html in (neuron(theme=theme)[1], arrays):
        page = opened(html, size)
        for key in ("Home", "ArrowRight", "End"):
            page.keyboard.press(key)
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_is_wider_than_the_window(opened: Opened, size: tuple[int, int]) -> None:
    net = nn.Sequential(nn.Linear(5, 6, rng=0), nn.Tanh(), nn.Linear(6, 6, rng=1))
    x = tg.Value(2.0, name="long " * 200)
    for made in (
        stepper(lambda X: net(X).sum(), np.ones((6, 5))),
        stepper(x * x, title="title " * 50, digits=17),
        stepper(x * x, title="t" * 500),
    ):
        page = opened(made.html(), size)
        for key in ("Home", "End"):
            page.keyboard.press(key)
            assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('button')].map((b) => b.getBoundingClientRect().height))"
    )
    assert smallest >= 24  # WCAG 2.5.8


def test_what_is_at_work_is_in_sight(opened: Opened) -> None:
    net = nn.MLP(2, [6, 1], rng=0)
    page = opened(stepper(net, [0.5, -1.0]).html())
    inside = """(box) => {
      const outer = document.getElementById(box).getBoundingClientRect();
      const inner = document.querySelector(`#${box} .here`).getBoundingClientRect();
      const top = inner.top >= outer.top && inner.bottom <= outer.bottom;
      return top && (box === "tape" || (inner.left >= outer.left && inner.right <= outer.right));
    }"""
    for k in range(0, int(page.locator("#slider").get_attribute("max") or 0), 7):
        page.locator("#slider").fill(str(k))
        assert page.evaluate(inside, "graph")
        assert page.evaluate(inside, "tape")
    assert page.evaluate("window.scrollY") == 0


def test_300_entries_open_in_two_seconds(opened: Opened) -> None:
    html = stepper(long_graph(300)).html()
    page = opened(html)
    assert (page.locator("#status").text_content() or "").startswith("Step 1 of ")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 2000
    start = time.perf_counter()
    page.keyboard.press("End")
    assert (page.locator("#status").text_content() or "").endswith("backward pass")
    assert time.perf_counter() - start < 2


def test_names_are_shown_as_they_are(opened: Opened) -> None:
    evil = '</script><script>document.title = "hit"</script><img src=x onerror=alert(1)>&amp;'
    x = tg.Value(2.0, name=evil)
    page = opened(stepper(x * x, title=evil).html())
    assert page.title() == evil
    assert page.locator("h1").text_content() == evil
    assert page.locator("#e0 title").text_content() == f"{evil} (input)"
    assert page.locator("img").count() == 0
    assert (page.locator("tbody td").nth(1).text_content() or "").startswith("</script><script>")


def test_hostile_names_are_text_in_every_place(opened: Opened) -> None:
    values = [tg.Value(2.0, name=name) for name in HOSTILE]
    total = values[0] * values[0]
    for v in values[1:]:
        total = total + v * v
    page = opened(stepper(total, limit=1000).html())
    tape = tg.Tape(total)
    rows = page.evaluate(
        "[...document.querySelectorAll('tbody tr')].map((r) => r.cells[1].textContent)"
    )
    titles = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('svg .node > title')].map("
        "(title) => [title.parentNode.id, title.textContent]))"
    )
    for v in values:
        i = tape.position(v)
        assert rows[i] == short(visible(v.name or ""))
        assert titles[f"e{i}"].replace("\xa0", " ") == f"{visible(v.name or '')} (input)"
        page.locator("#slider").fill(str(i))
        term = page.locator("#now dt").text_content() or ""
        assert term == f"input {short(visible(v.name or ''), 24)}"
    assert page.locator("script").count() == 2
    assert page.locator("b, img, style style").count() == 0


def test_without_a_picture_the_table_steps(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "find_dot", lambda: None)
    _, html = neuron()
    page = opened(html)
    page.keyboard.press("End")
    assert page.locator("svg").count() == 0
    assert "pip install" in (page.locator("#graph").text_content() or "")
    assert page.locator("tbody tr.here td").first.text_content() == "3"


def test_a_notebooks_frame_steps(opened: Opened) -> None:
    x = tg.Value(3.0, name="x")
    page = opened(f"<!DOCTYPE html><title>notebook</title>{stepper(x * x)._repr_html_()}")
    inside = page.frame_locator("iframe")
    inside.locator("#last").click()
    assert inside.locator("#status").text_content() == "Step 5 of 5, backward pass"
    assert inside.locator("tbody tr").first.locator("td").nth(3).text_content() == "6"
