"""Mini-batches in an order that can be repeated, and taken up again in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinygrad_lecture.data import _checks
from tinygrad_lecture.data.classes import class_labels, mixed_order
from tinygrad_lecture.data.dataset import Array, Dataset
from tinygrad_lecture.data.seeding import Seed, as_integer, permutation
from tinygrad_lecture.errors import UsageError


class DataLoader:
    """Iterate over a data set in mini-batches ``(X, y)`` (lecture L18).

    Each ``for`` loop over the loader is one epoch. The order of an epoch depends on the seed and
    the number of the epoch, and on nothing else: not on what was drawn before, nor on the version
    of NumPy. A loop that was left by ``break`` counts as an epoch; the next one starts afresh.

    Parameters
    ----------
    dataset
        Where the samples come from.
    batch_size
        Samples in a batch, at least 1. The last batch of an epoch may be smaller.
    shuffle
        Draw a new order in each epoch; ``"by_class"``: one in which neighbours differ in class,
        see `shuffle_by_class`. Otherwise samples come as they are stored.
    drop_last
        Leave out the last batch if it is not full.
    seed
        Integer or generator; a generator gives one integer, at once.

    Raises
    ------
    UsageError
        If `batch_size` is not a positive integer, `drop_last` would leave no batch at all, or
        ``"by_class"`` is asked for without classes.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> loader = tg.data.DataLoader(tg.data.load_digits(), batch_size=500, seed=0)
    >>> for X, y in loader:
    ...     print(X.shape, y.shape)
    (500, 64) (500,)
    (500, 64) (500,)
    (500, 64) (500,)
    (297, 64) (297,)

    Going on in the middle of an epoch, in another process for example:

    >>> batches = iter(loader)
    >>> _ = next(batches)
    >>> state = loader.state_dict()
    >>> later = tg.data.DataLoader(tg.data.load_digits(), batch_size=500)
    >>> later.load_state_dict(state)
    >>> all((a == b).all() for (a, _), (b, _) in zip(batches, later, strict=True))
    True
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 64,
        shuffle: bool | Literal["by_class"] = True,
        drop_last: bool = False,
        seed: Seed = 0,
    ) -> None:
        self.dataset = dataset
        self.batch_size = _checks.count("batch_size", batch_size, 1)
        if isinstance(shuffle, str):
            if shuffle != "by_class":
                raise UsageError(f'shuffle must be True, False or "by_class", got {shuffle!r}')
            class_labels(dataset)
        self.shuffle = shuffle if isinstance(shuffle, str) else bool(shuffle)
        self.drop_last = bool(drop_last)
        self.seed = as_integer(seed)
        if len(self) == 0:
            raise UsageError(
                f"drop_last=True with batch_size={batch_size} leaves no batch of the "
                f"{len(dataset)} samples in {dataset.name!r}"
            )
        self._epoch = 0  # of the next batch
        self._batch = 0  # number of the next batch in this epoch
        self._resumed = False
        self._loops = 0  # started so far: only the newest one tells where the loader stands

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full if self.drop_last or rest == 0 else full + 1

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        if self._batch > 0 and not self._resumed:
            self._epoch, self._batch = self._epoch + 1, 0
        self._resumed = False
        self._loops += 1
        return self._batches(self._loops, self._epoch, self._batch)

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next batch belongs to, from 0."""
        return self._epoch

    def order(self, epoch: int) -> NDArray[np.intp]:
        """Rows in the order in which this epoch takes them, shape (n,)."""
        n = len(self.dataset)
        if not self.shuffle:
            return np.arange(n)
        epoch = _checks.count("epoch", epoch, 0)
        sequence = np.random.SeedSequence(self.seed, spawn_key=(epoch,))
        bits = np.random.PCG64(sequence)
        if self.shuffle == "by_class":
            return mixed_order(class_labels(self.dataset), bits)
        return permutation(bits, n)

    def _batches(self, loop: int, epoch: int, first: int) -> Iterator[tuple[Array, Array]]:
        order, size, count = self.order(epoch), self.batch_size, len(self)
        for batch in range(first, count):
            if loop == self._loops:
                # Set before the batch is handed out: a state saved in the loop's body says that
                # this batch is done, and after the last one that the next epoch comes.
                self._epoch, self._batch = divmod(epoch * count + batch + 1, count)
            rows = slice(batch * size, (batch + 1) * size)
            yield self.dataset[order[rows] if self.shuffle else rows]

    def state_dict(self) -> dict[str, int | bool | str]:
        """Where the loader stands, in plain numbers that JSON can hold.

        Batches handed out so far count as done.
        """
        return {
            "seed": self.seed,
            "epoch": self._epoch,
            "batch": self._batch,
            "samples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another loader stood: same order, next batch. The seed is taken over too.

        Raises
        ------
        UsageError
            If keys are missing or strange, or the other loader cut its data into other batches.
        """
        own = self.state_dict()
        if set(state) != set(own):
            raise UsageError(f"state must have the keys {sorted(own)}, got {sorted(state)}")
        for key in ("samples", "batch_size", "shuffle", "drop_last"):
            if state[key] != own[key]:
                raise UsageError(
                    f"state was saved with {key}={state[key]!r}, this loader has {own[key]!r}: "
                    f"it could not go on with the same batches"
                )
        seed = as_integer(state["seed"])
        epoch = _checks.count("epoch", state["epoch"], 0)
        batch = _checks.count("batch", state["batch"], 0)
        if batch >= len(self):
            raise UsageError(f"state has batch={batch}, an epoch has batches 0 to {len(self) - 1}")
        self.seed, self._epoch, self._batch, self._resumed = seed, epoch, batch, True
        self._loops += 1  # a loop that still runs no longer speaks for the loader
