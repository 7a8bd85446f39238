"""What every part of the benchmark has: sizes, the server, and a place for files."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.generator import Dataset, Shape
from benchmarks.server import Server


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: records of the journal, of everything else, and how often."""

    rows: int
    landing_rows: int
    runs: int
    heavy_runs: int


@dataclass(frozen=True, slots=True)
class Bench:
    """One session of measurements."""

    sizes: Sizes
    directory: Path
    server: Server

    def dataset(self, shape: Shape) -> Dataset:
        """Return a data set; its files are written when they are first asked for."""
        return Dataset(shape, self.directory / "data")

    def folder(self, name: str) -> Path:
        """Return a folder for files that a part makes."""
        folder = self.directory / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
