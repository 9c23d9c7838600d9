"""Refuse parameters of a simulator that lie outside of what it can do."""

from collections.abc import Sequence

from medcourse.errors import CourseError


def check_ranges(ranges: Sequence[tuple[str, float, float, float]]) -> None:
    """Refuse the first of (name, value, lowest, highest) whose value lies outside.

    Examples
    --------
    >>> check_ranges([("gamma", 3.0, 0.0, 10.0)])
    """
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise CourseError(f"{name} must lie in [{low:g}, {high:g}], got {value}")
