"""``--executor`` and ``--workers``: where a command runs many trials."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from ..errors import UsageError
from ..train import local_processes
from ..train.machine import cpus

__all__ = ["EXECUTORS", "add_options", "open_executor"]

EXECUTORS = """\
--executor is one of
  processes        on this machine, each with one thread for linear algebra (the default)
  serial, threads  in this process, one after the other or side by side
  dask             a local cluster of Dask
  dask:ADDRESS     the cluster whose scheduler listens there, such as dask:tcp://10.0.0.1:8786"""


def _positive(text: str) -> int:
    if not (text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"a number of workers of at least 1, got {text!r}")
    return int(text)


def _where(text: str) -> str:
    kind, colon, address = text.partition(":")
    known = kind in ("processes", "serial", "threads", "dask")
    if not known or bool(colon) != bool(address) or (colon and kind != "dask"):
        raise argparse.ArgumentTypeError(
            f"processes, serial, threads, dask or dask:ADDRESS, got {text!r}"
        )
    return text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the two options to a command, whose help should print `EXECUTORS`."""
    parser.add_argument(
        "--executor", type=_where, default="processes", metavar="WHERE",
        help="where to run (see below); default: processes",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=_positive, default=cpus(), metavar="N",
        help="how many side by side; default: as many as there are CPUs",
    )  # fmt: skip


@contextlib.contextmanager
def open_executor(where: str, workers: int) -> Iterator[Executor | None]:
    """Give the executor that was asked for, and shut it down at the end.

    Parameters
    ----------
    where : str
        As in `EXECUTORS`.
    workers : int
        Number of processes or threads; a cluster at an address has its own.

    Returns
    -------
    context manager
        Of an executor, or None for "serial".

    Raises
    ------
    UsageError
        If Dask is not installed, or does not answer at the address.

    Examples
    --------
    >>> from tinygrad_lecture.cli.executors import open_executor
    >>> with open_executor("threads", 2) as executor:
    ...     list(executor.map(abs, [-1, -2]))
    [1, 2]
    """
    kind, _, address = where.partition(":")
    if kind == "serial":
        yield None
    elif kind == "threads":
        with ThreadPoolExecutor(workers) as threads:
            yield threads
    elif kind == "processes":
        with local_processes(workers) as processes:
            yield processes
    else:
        with _dask(address, workers) as client:
            yield client.get_executor()


@contextlib.contextmanager
def _dask(address: str, workers: int) -> Iterator[Any]:
    try:
        distributed = importlib.import_module("distributed")  # optional, and slow to import
    except ImportError:
        raise UsageError(
            '--executor dask needs distributed: pip install "tinygrad_lecture[distributed]"'
        ) from None
    with contextlib.ExitStack() as stack:
        if address:
            cluster = address
        else:
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,
                )
            )
        try:
            client = distributed.Client(cluster, timeout=10)
        except (OSError, ValueError) as error:
            raise UsageError(f"--executor dask:{address}: {error}".splitlines()[0]) from None
        yield stack.enter_context(client)
