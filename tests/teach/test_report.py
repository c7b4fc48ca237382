"""How a report shows itself, and what it gives to nbgrader."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import teach
from tinygrad_lecture.teach import Report

X = np.random.default_rng(3).normal(size=(5, 3))


class TestReport:
    def report(self) -> Report:
        return teach.check_forward(lambda x: -np.tanh(x), tg.tanh, X, points=2, name="<tanh>")

    def test_html(self) -> None:
        html = self.report()._repr_html_()

        assert "<b>&lt;tanh&gt;: 0 of 2 points</b>" in html
        assert "sign: minus this is right" in html

    def test_json(self) -> None:
        document = self.report().to_json()

        assert document["points"] == 0.0
        assert document["items"][0]["result"] == "wrong"

    def test_score_prints_the_reason_and_gives_the_number(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.report().score(5) == 0.0
        assert "sign: minus this is right" in capsys.readouterr().out

    def test_raise_for_failure(self) -> None:
        with pytest.raises(AssertionError, match="sign: minus this is right"):
            self.report().raise_for_failure()
