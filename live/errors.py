"""What stops a live session, as one line for a person."""

from qt_core.errors import QtError


class LiveError(QtError):
    """A session cannot start or go on: says what, where, and what was expected."""
