"""The one kind of error that a user of the course is meant to read."""


class CourseError(Exception):
    """Say in one line what was expected, what was got and what to do; the command line prints it and exits with 2."""
