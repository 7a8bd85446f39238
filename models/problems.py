"""What is wrong with a file that a user edits, and where."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: its file, line, path inside the file, and what was expected."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigurationError(Exception):
    """All problems of the workspace's files, in the order of the files and lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(
            dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line or 0)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question with the closest known name, or nothing where none is close."""
    close = get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def listed(names: Iterable[str]) -> str:
    """Return names as prose: ``a, b or c``."""
    *others, last = list(names) or ["nothing"]
    return f"{', '.join(others)} or {last}" if others else last
