"""The counter fixture of the properties."""

from tests.properties.binding import met

__all__ = ["met"]
