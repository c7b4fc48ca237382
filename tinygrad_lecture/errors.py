"""The exception that all rooms of the package share."""

from __future__ import annotations


class UsageError(ValueError):
    """Bad input: an argument, a file or data that cannot be used as it is.

    The message is one line that names the argument or file, what came, and what would be right.
    The command line prints it without a traceback and ends with exit code 2.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> from tinygrad_lecture.errors import UsageError
    >>> try:
    ...     tg.data.moons(n=0)
    ... except UsageError as error:
    ...     print(error)
    n must be at least 1, got 0
    """
