"""Errors a user can mend: each carries one line saying what, where and what was expected."""


class QtError(ValueError):
    """Bad input; the command line prints it as one line and exits with code 2."""


class ConfigError(QtError):
    """An unknown key or a value out of range in a configuration."""


class DataError(QtError):
    """Market data that cannot be used: names file or key, bar, and what was expected."""
