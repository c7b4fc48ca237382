"""What `train` draws into its folder, and the page of ``--report``."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture.cli import main
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train.job import FILES, _thinning
from tinygrad_lecture.train.page import report_page
from tinygrad_lecture.train.pictures import PICTURES, draw_pictures

pytest.importorskip("matplotlib")

SHORT = ["--epochs", "3", "--hidden", "4"]


class Page(HTMLParser):
    """Text, links and tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [x or "" for name, x in attrs if name in ("src", "srcset", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_train_writes_pictures_and_a_page_that_loads_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "moons", *SHORT, "--report", "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    written = [*FILES, *PICTURES, "report.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    assert captured.out.splitlines()[-len(written) :] == [f"wrote {tmp_path / x}" for x in written]
    svg = {name: (tmp_path / name).read_text(encoding="utf-8") for name in PICTURES}
    assert ">validation</text>" in svg["curves.svg"]
    assert ">1 Linear</text>" in svg["layers.svg"]
    assert "1.weight" in svg["backprop.svg"]

    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert len(page.sources) == 2 * len(PICTURES)  # on a light and on a dark background
    light = [base64.b64decode(s.partition(",")[2]).decode() for s in page.sources[1::2]]
    assert light == list(svg.values())
    assert "Content-Security-Policy" in html
    assert "http://" not in html
    assert "https://" not in html
    assert not {"script", "link", "iframe"} & set(page.tags)
    text = " ".join(page.words)
    assert "Network 2-4-2; 700 train, 150 validation, 150 test samples; finished." in text
    assert "momentum 0.9" in text
    assert "3 epochs" in text
    model = tg.train.load_model(tmp_path)
    test = tg.data.load("moons").test
    predicted = tg.train.predict(model, test.inputs).argmax(axis=1)
    counts = tg.train.confusion_matrix(test.targets, predicted, 2)
    for number in counts.ravel().tolist():
        assert str(number) in page.words
    accuracy = counts.trace() / counts.sum()
    assert f"{100 * accuracy:.2f} %" in text


@pytest.mark.slow
def test_pictures_are_the_same_bytes_again_and_go_with_the_old_run(tmp_path: Path) -> None:
    arguments = ["train", "xor", *SHORT, "--out", str(tmp_path)]
    assert main(arguments) == 0
    first = [(tmp_path / name).read_bytes() for name in PICTURES]
    assert main([*arguments, "--overwrite", "--monitor", "0"]) == 0
    assert not (tmp_path / "layers.svg").exists()  # nothing was measured
    assert not (tmp_path / "monitor.csv").exists()
    assert main([*arguments, "--overwrite"]) == 0
    assert [(tmp_path / name).read_bytes() for name in PICTURES] == first


def test_without_matplotlib_train_says_in_a_line_how_to_get_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*args: Any, **options: Any) -> Any:
        raise UsageError("it needs a package: pip install it")

    for name in ("curves", "layers", "draw"):
        monkeypatch.setattr(f"tinygrad_lecture.train.pictures.{name}", missing)
    assert main(["train", "xor", *SHORT, "--report", "--out", str(tmp_path)]) == 0
    line = "no curves.svg, layers.svg, backprop.svg: it needs a package: pip install it"
    assert capsys.readouterr().out.splitlines()[-1] == line
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert line in " ".join(page.words)
    assert page.sources == []
    assert not set(PICTURES) & {path.name for path in tmp_path.iterdir()}
    assert main(["train", "xor", *SHORT, "--json", "--overwrite", "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["notes"] == [line]
    assert captured.err == ""


def test_a_training_without_an_epoch_has_nothing_to_draw_but_the_sample() -> None:
    model, sample = tg.nn.Linear(2, 1, rng=0), (np.ones((1, 2)), np.ones((1, 1)))
    drawn, why = draw_pictures([], [], model, tg.nn.MSELoss(), sample, "ones")
    assert list(drawn) == ["backprop.svg"]
    assert why == ["no curves.svg, layers.svg: there are no rows to draw"]
    assert model.weight.grad is None


def test_the_page_shows_names_literally_and_tells_what_is_missing() -> None:
    report = {
        "settings": {"dataset": '<b>&"', "hidden": ()}, "reason": "interrupted", "epochs": 0,
        "seconds": 0.5, "samples": {"train": 4}, "sizes": [2, 2], "parameters": 6,
        "best_epoch": None, "test_accuracy": None, "test_loss": None, "confusion": None,
    }  # fmt: skip
    html = report_page(report, [], {"light": {}, "dark": {}}, ["no <picture>"])
    page = Page(html)
    assert "b" not in page.tags
    assert '<b>&"' in page.words
    assert "<picture>" in page.words
    assert "Confusion" not in page.words
    assert re.search(r"<dt>test accuracy</dt><dd>–</dd>", html)


def test_looks_become_rarer_whatever_the_number_of_epochs() -> None:
    due = _thinning(5)
    looks = [step // 5 for step in range(5 * 200) if due(step)]
    assert looks[:20] == [*range(16), 16, 18, 20, 22]
    assert (looks[-3:], len(looks)) == ([160, 176, 192], 45)
    assert all(step % 5 == 0 for step in range(1000) if due(step))
