"""Data: toy sets, the digits, IDX (MNIST) files, loaders and preprocessing."""

from __future__ import annotations

from tinygrad_lecture.data.catalog import load
from tinygrad_lecture.data.classes import shuffle_by_class, signed_targets, sort_by_class
from tinygrad_lecture.data.dataset import Dataset, Splits
from tinygrad_lecture.data.digits import load_digits, split_digits
from tinygrad_lecture.data.features import FeatureMap, Polynomial
from tinygrad_lecture.data.idx import read_idx, write_idx
from tinygrad_lecture.data.idx_folder import bytes_to_unit, load_idx_folder
from tinygrad_lecture.data.loader import DataLoader
from tinygrad_lecture.data.preprocess import Standardize
from tinygrad_lecture.data.split import split
from tinygrad_lecture.data.toys import circles, moons, spirals, xor
from tinygrad_lecture.data.whiten import PCAWhiten

__all__ = [
    "DataLoader",
    "Dataset",
    "FeatureMap",
    "PCAWhiten",
    "Polynomial",
    "Splits",
    "Standardize",
    "bytes_to_unit",
    "circles",
    "load",
    "load_digits",
    "load_idx_folder",
    "moons",
    "read_idx",
    "shuffle_by_class",
    "signed_targets",
    "sort_by_class",
    "spirals",
    "split",
    "split_digits",
    "write_idx",
    "xor",
]
