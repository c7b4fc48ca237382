"""Exercises that check themselves."""

from __future__ import annotations

from .answer import Answer, check_answer

__all__ = ["Answer", "check_answer"]
