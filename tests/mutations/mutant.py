"""One mutation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """``old`` becomes ``new`` in ``file`` (below qt_core, or from research, live on); ``killer`` should fail."""

    what: str
    file: str
    old: str
    new: str
    killer: str

    @property
    def path(self) -> str:
        """The file from the repository's root on."""
        return self.file if self.file.startswith(("research/", "live/")) else f"qt_core/{self.file}"
