"""Settings: recipes and ranges."""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.train import Settings
from tinygrad_lecture.train.settings import IDX_RECIPE, RECIPES, as_text


@pytest.mark.parametrize("name", [*RECIPES, "some/folder"])
def test_every_recipe_is_complete_and_in_range(name: str) -> None:
    settings = Settings.of(name)
    assert settings.dataset == name
    assert settings.seed == 0
    assert settings.hidden == RECIPES.get(name, IDX_RECIPE)["hidden"]


def test_what_is_given_wins() -> None:
    settings = Settings.of("digits", hidden=(8,), lr=0.5, momentum=0.0, seed=3)
    assert (settings.hidden, settings.lr, settings.momentum, settings.seed) == ((8,), 0.5, 0.0, 3)
    assert settings.epochs == RECIPES["digits"]["epochs"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lr": 0.0}, "lr must be a positive number; got 0.0"),
        ({"lr": -0.1}, "lr must be a positive number; got -0.1"),
        ({"lr": float("nan")}, "lr must be a positive number; got nan"),
        ({"lr": float("inf")}, "lr must be a positive number; got inf"),
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"hidden": (8, 0)}, "hidden must be widths of at least 1, as in 64,32; got 8,0"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1; got 1.0"),
        ({"momentum": -0.1}, "momentum must be at least 0 and below 1; got -0.1"),
        ({"weight_decay": -1.0}, "weight_decay must be a number of at least 0; got -1.0"),
        ({"weight_decay": float("nan")}, "weight_decay must be a number of at least 0; got nan"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
    ],
)
def test_settings_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings.of("digits", **given)


def test_text_is_what_the_command_line_takes() -> None:
    assert as_text((64, 32)) == "64,32"
    assert as_text(()) == "none"
    assert as_text(0.5) == "0.5"
