from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.data import DataLoader, Dataset
from tinygrad_lecture.errors import UsageError

shapes = {
    "n": st.integers(1, 30),
    "batch_size": st.integers(1, 12),
    "shuffle": st.booleans(),
    "drop_last": st.booleans(),
    "seed": st.integers(0, 2**65),
}


def numbered(n: int) -> Dataset:
    return Dataset(np.arange(n)[:, None], np.arange(n), "numbered")


def rows(batches: Any) -> list[list[int]]:
    return [y.tolist() for _, y in batches]


def build(n: int, batch_size: int, drop_last: bool, **options: Any) -> DataLoader:
    return DataLoader(numbered(n), batch_size, drop_last=drop_last and batch_size <= n, **options)


@given(**shapes)
def test_an_epoch_visits_each_sample_once(
    n: int, batch_size: int, shuffle: bool, drop_last: bool, seed: int
) -> None:
    loader = build(n, batch_size, drop_last, shuffle=shuffle, seed=seed)
    for _ in range(2):
        batches = list(loader)
        order = np.concatenate([y for _, y in batches])

        assert len(batches) == len(loader)
        assert all(np.array_equal(X[:, 0], y) for X, y in batches)
        assert all(len(y) == batch_size for _, y in batches[:-1])
        if loader.drop_last:
            assert len(batches[-1][1]) == batch_size
            assert len(order) == n - n % batch_size
            assert len(set(order.tolist())) == len(order)
        else:
            assert sorted(order.tolist()) == list(range(n))
        if not shuffle:
            assert order.tolist() == list(range(len(order)))


@given(**shapes, done=st.integers(0, 40))
def test_a_resumed_loader_goes_on_with_the_next_batch(
    n: int, batch_size: int, shuffle: bool, drop_last: bool, seed: int, done: int
) -> None:
    loader = build(n, batch_size, drop_last, shuffle=shuffle, seed=seed)
    endless = itertools.chain.from_iterable(itertools.repeat(loader))
    for _ in range(done):
        next(endless)
    state = json.loads(json.dumps(loader.state_dict()))
    other = build(n, batch_size, drop_last, shuffle=shuffle, seed=0)
    list(other)
    other.load_state_dict(state)

    assert other.state_dict() == loader.state_dict()
    resumed = itertools.chain.from_iterable(itertools.repeat(other))
    for _ in range(2 * len(loader) + 1):
        (X, y), (other_X, other_y) = next(endless), next(resumed)
        assert np.array_equal(X, other_X)
        assert np.array_equal(y, other_y)
        assert loader.epoch == other.epoch


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    loader = DataLoader(numbered(100), 7, seed=3)
    epochs = [np.concatenate([y for _, y in loader]) for _ in range(3)]
    other = DataLoader(numbered(100), 50, seed=3)

    for epoch, order in enumerate(epochs):
        assert np.array_equal(order, other.order(epoch))
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], DataLoader(numbered(100), seed=4).order(0))
    # A neighbouring seed and epoch must not give a neighbouring order.
    assert not np.array_equal(
        DataLoader(numbered(100), seed=4).order(0), DataLoader(numbered(100), seed=3).order(1)
    )


def test_the_order_is_pinned() -> None:
    # Resuming a training relies on this across versions of NumPy and of this package.
    loader = DataLoader(numbered(8), seed=0)

    assert loader.order(0).tolist() == [6, 3, 1, 4, 5, 2, 7, 0]
    assert loader.order(1).tolist() == [1, 3, 6, 2, 0, 7, 5, 4]


def test_every_place_is_equally_likely() -> None:
    loader = DataLoader(numbered(6), seed=1)
    places = np.zeros((6, 6))
    for epoch in range(3000):
        places[np.arange(6), loader.order(epoch)] += 1

    assert np.all(np.abs(places - 500) < 4.5 * np.sqrt(3000 * (1 / 6) * (5 / 6)))


def test_a_loop_that_is_left_counts_as_an_epoch() -> None:
    loader = DataLoader(numbered(20), 5, seed=0)
    first = next(iter(loader))[1]
    second = rows(loader)

    assert first.tolist() == loader.order(0)[:5].tolist()
    assert np.concatenate(second).tolist() == loader.order(1).tolist()
    assert loader.epoch == 2


def test_a_resumed_loop_that_is_left_counts_as_an_epoch_too() -> None:
    loader = DataLoader(numbered(20), 5, seed=0)
    loader.load_state_dict({**loader.state_dict(), "epoch": 3, "batch": 1})
    resumed = next(iter(loader))[1]

    assert resumed.tolist() == loader.order(3)[5:10].tolist()
    assert next(iter(loader))[1].tolist() == loader.order(4)[:5].tolist()


def test_a_state_saved_in_the_last_step_of_an_epoch_starts_the_next_one() -> None:
    loader = DataLoader(numbered(10), 5, seed=0)
    states = [loader.state_dict() for _ in loader]

    assert [(state["epoch"], state["batch"]) for state in states] == [(0, 1), (1, 0)]


def test_an_older_loop_does_not_move_the_loader() -> None:
    loader = DataLoader(numbered(20), 5, seed=0)
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    state = loader.state_dict()
    rest = rows(old)

    assert np.concatenate(rest).tolist() == loader.order(0)[5:].tolist()
    assert loader.state_dict() == state
    loader.load_state_dict(state)
    next(new)
    assert loader.state_dict() == state


def test_batches_are_read_only() -> None:
    for shuffle in (False, True):
        for X, y in DataLoader(numbered(10), 4, shuffle=shuffle):
            assert not X.flags.writeable
            assert not y.flags.writeable


def test_transforms_see_one_batch_at_a_time() -> None:
    sizes: list[int] = []

    def watch(X: Any) -> Any:
        sizes.append(len(X))
        return X / 2

    loader = DataLoader(numbered(10).map(watch), 4, seed=0)
    X = np.concatenate([X for X, _ in loader])

    assert sizes == [4, 4, 2]
    assert X[:, 0].tolist() == (loader.order(0) / 2).tolist()


def test_a_generator_gives_its_seed_at_once() -> None:
    rng = np.random.default_rng(0)
    first, second = DataLoader(numbered(10), seed=rng), DataLoader(numbered(10), seed=rng)

    assert first.seed != second.seed
    assert first.seed == DataLoader(numbered(10), seed=np.random.default_rng(0)).seed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, r"batch_size must be an integer, got 2\.0"),
        ({"seed": None}, "seed must be a non-negative integer"),
        (
            {"batch_size": 11, "drop_last": True},
            "drop_last=True with batch_size=11 leaves no batch of the 10 samples in 'numbered'",
        ),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DataLoader(numbered(10), **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 3}, "state was saved with batch_size=3, this loader has 4"),
        ({"samples": 9}, "state was saved with samples=9, this loader has 10"),
        ({"shuffle": False}, "state was saved with shuffle=False, this loader has True"),
        ({"drop_last": True}, "state was saved with drop_last=True, this loader has False"),
        ({"batch": 3}, "state has batch=3, an epoch has batches 0 to 2"),
        ({"batch": -1}, "batch must be at least 0, got -1"),
        ({"epoch": -1}, "epoch must be at least 0, got -1"),
        ({"epoch": 0.5}, r"epoch must be an integer, got 0\.5"),
        ({"seed": "x"}, "seed must be a non-negative integer .* got 'x'"),
        ({"color": 1}, r"state must have the keys \['batch', .*\], got .*'color'"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(change: dict[str, Any], message: str) -> None:
    loader = DataLoader(numbered(10), 4, seed=5)
    before = loader.state_dict()
    state = {**DataLoader(numbered(10), 4, seed=6).state_dict(), "epoch": 2, **change}

    with pytest.raises(UsageError, match=message):
        loader.load_state_dict(state)
    assert loader.state_dict() == before


def test_an_incomplete_state_is_refused() -> None:
    with pytest.raises(UsageError, match=r"state must have the keys .* got \['epoch'\]"):
        DataLoader(numbered(10)).load_state_dict({"epoch": 1})


def test_order_refuses_a_negative_epoch() -> None:
    with pytest.raises(UsageError, match="epoch must be at least 0, got -1"):
        DataLoader(numbered(3)).order(-1)
