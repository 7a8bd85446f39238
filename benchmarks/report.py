"""What was measured, as a page: every goal with its number, and the tables behind it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.measuring import Series

Bound = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, what was measured, and whether that is enough; ``None`` could not be measured."""

    goal: int
    statement: str
    measured: float | None
    bound: Bound
    limit: float | None
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached; what could not be measured is not."""
        if self.measured is None or self.limit is None:
            return False
        if self.bound == "at least":
            return self.measured >= self.limit
        return self.measured <= self.limit


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report; the first column names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(slots=True)
class Section:
    """One part of the benchmark."""

    title: str
    about: str
    verdicts: list[Verdict] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    has_failed: bool = False


def failed_section(title: str, goals: Iterable[int], what: str) -> Section:
    """Return the section of a part that could not be measured: each of its goals is missed."""
    missed = [Verdict(goal, f"{title}: failed", None, "at least", None) for goal in goals]
    return Section(title, f"Could not be measured: {what}", missed, has_failed=True)


def ratio(ours: Series, other: Series) -> float | None:
    """Return our rate as a share of another's; None where either could not be measured."""
    if not ours.runs or not other.runs:
        return None
    return ours.rate / other.rate


def fastest(series: Iterable[Series]) -> Series:
    """Return the fastest of several ways; of those that failed, the first."""
    candidates = list(series)
    ran = [one for one in candidates if one.runs]
    return max(ran, key=lambda one: one.rate) if ran else candidates[0]


def table_of(series: Iterable[Series], reference: Series) -> Table:
    """Return the ways beside each other, each as a share of the reference."""
    columns = ["way", "rows/s", "seconds (least-most)", f"of {reference.name}", "MiB", ""]
    return Table(columns, [_row_of(one, reference) for one in series])


def _row_of(series: Series, reference: Series) -> list[str]:
    if not series.runs:
        return [series.name, "-", "-", "-", "-", series.note]
    least, most = series.spread
    share = ratio(series, reference)
    return [
        series.name,
        f"{series.rate:,.0f}",
        f"{series.seconds:.2f} ({least:.2f}-{most:.2f})",
        "-" if share is None else f"{share:.2f}",
        f"{series.peak_mib:,.0f}" if series.peak_mib else "-",
        series.note,
    ]


def page(machine: Mapping[str, str], options: str, sections: Sequence[Section]) -> str:
    """Return the report as Markdown."""
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    parts = [
        "# Results",
        f"Written by `python -m benchmarks {options}`: medians of several runs, taken side by side "
        "on one machine. The machine is small and its speed varies: ratios decide, not rates.",
        _markdown(Table(["machine", ""], list(machine.items()))),
        "## Goals",
        _markdown(_goals(verdicts)),
        *(_section(section) for section in sections),
    ]
    return "\n\n".join(parts) + "\n"


def _goals(verdicts: Sequence[Verdict]) -> Table:
    rows = [
        [
            str(verdict.goal),
            verdict.statement,
            _number(verdict.measured, verdict.unit),
            _wanted(verdict),
            "met" if verdict.is_met else "**not met**",
        ]
        for verdict in sorted(verdicts, key=lambda one: one.goal)
    ]
    return Table(["goal", "what", "measured", "wanted", ""], rows)


def _wanted(verdict: Verdict) -> str:
    if verdict.limit is None:
        return "-"
    return f"{verdict.bound} {_number(verdict.limit, verdict.unit)}"


def _section(section: Section) -> str:
    parts = [f"## {section.title}", section.about]
    parts += [_markdown(table) for table in section.tables]
    if section.notes:
        parts.append("\n".join(f"* {note}" for note in section.notes))
    return "\n\n".join(parts)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{digits} {unit}".rstrip()


def _markdown(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
