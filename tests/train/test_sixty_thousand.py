"""A folder in MNIST's format and size: it trains, and needs at most twice the memory of its data."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

import tinygrad_lecture as tg
from tinygrad_lecture.train import Settings, train_classifier


def test_sixty_thousand_images_train_within_twice_their_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    source, size = tmp_path / "images", 0
    source.mkdir()
    for part, n in (("train", 60_000), ("t10k", 10_000)):
        labels = rng.integers(10, size=n, dtype=np.uint8)
        images = rng.integers(0, 100, (n, 28, 28), dtype=np.uint8)
        images[np.arange(n), 2 * labels + 4, 4:24] = 255  # class c has a bright row
        tg.data.write_idx(source / f"{part}-images-idx3-ubyte", images)
        tg.data.write_idx(source / f"{part}-labels-idx1-ubyte", labels)
        size += images.nbytes + labels.nbytes
    del images, labels
    tracemalloc.start()
    try:
        settings = Settings.of(str(source), hidden=(32,), epochs=1, batch=128)
        report = train_classifier(settings, tmp_path / "out")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.samples == {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert report.test_accuracy is not None
    assert report.test_accuracy > 0.99
    assert peak <= 2 * size, f"{peak / size:.2f} times the data"
