"""What stops a live session, as one line for a person."""

from qt_core.errors import QtError


class LiveError(QtError):
    """A session cannot start or go on: says what, where, and what was expected."""


def first_of(error: BaseException) -> BaseException:
    """What went wrong, out of the groups around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
