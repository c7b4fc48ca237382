"""Exercises that check themselves, and the grading of a class.

`check_answer` is for a number; `check_forward`, `check_backward`, `check_module` and
`check_optimizer` compare a student's NumPy code with a reference on seeded cases.  None of them
raises for what a student wrote: they return a report with points, and a reason in words for each
point that is missing.  `exercise` has twelve graded exercises, each with a
statement and a stub; `grade` checks one of them in the files of a class, each in a process of its
own.
"""

from __future__ import annotations

from .answer import Answer, check_answer
from .assignment import assignment
from .course import Lesson, copy_course, lessons
from .exercise import Exercise
from .exercises import EXERCISES, exercise
from .functions import check_backward, check_forward
from .grading import Graded, find_files, grade
from .judge import Mistake
from .modules import check_module
from .optimizers import check_optimizer
from .report import Item, Report
from .student import Limits

__all__ = [
    "EXERCISES",
    "Answer",
    "Exercise",
    "Graded",
    "Item",
    "Lesson",
    "Limits",
    "Mistake",
    "Report",
    "assignment",
    "check_answer",
    "check_backward",
    "check_forward",
    "check_module",
    "check_optimizer",
    "copy_course",
    "exercise",
    "find_files",
    "grade",
    "lessons",
]
