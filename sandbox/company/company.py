"""The demo company on disk: usage files and bills from a seed, and what is to be found in them."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.company import DEMO_AS_OF, GENERATION
from sandbox.company.costs import UsageTotals, amount, write_aws_bill, write_focus_bill
from sandbox.company.customers import UNMAPPED_TENANT, UNPRICED_DIMENSIONS
from sandbox.company.delivery import (
    Expected,
    FileWriter,
    write_app_database,
    write_gateway,
    write_logs,
    write_mixpanel,
)
from sandbox.company.disorder import Deliveries, Disorder
from sandbox.company.records import Measurement
from sandbox.company.usage import FLOWS, usage_of

SEED = 2026
MANIFEST = "manifest.json"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CompanyManifest:
    """What a correct reader finds in the files of a company.

    ``usage`` counts rows per source; ``billed`` holds the dollars per cost source and month, before
    the day that AWS restates on demand.
    """

    seed: int
    generation: int
    as_of: datetime
    usage: dict[str, Expected]
    billed: dict[str, dict[str, str]]
    unmapped_tenant: str
    unpriced_dimensions: tuple[str, ...]

    @property
    def delivered(self) -> int:
        """Rows in all usage sources."""
        return sum(source.delivered for source in self.usage.values())

    def write(self, file: Path) -> None:
        """Write the manifest as JSON."""
        content = dataclasses.asdict(self) | {"as_of": self.as_of.isoformat()}
        file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")

    @classmethod
    def read(cls, file: Path) -> "CompanyManifest":
        """Read a manifest that ``write`` wrote."""
        content: dict[str, Any] = json.loads(file.read_text())
        return cls(
            seed=content["seed"],
            generation=content["generation"],
            as_of=datetime.fromisoformat(content["as_of"]),
            usage={name: Expected(**counts) for name, counts in content["usage"].items()},
            billed=content["billed"],
            unmapped_tenant=content["unmapped_tenant"],
            unpriced_dimensions=tuple(content["unpriced_dimensions"]),
        )


def _silent(_what: str, _done: int, _total: int) -> None:
    """Report progress to nobody."""


def write_company(
    directory: Path, progress: Progress = _silent, *, seed: int = SEED, as_of: datetime = DEMO_AS_OF
) -> CompanyManifest:
    """Write all files of the company below a directory, unless they are there already.

    The same seed gives the same bytes. ``progress`` is told what is being written, and how many of
    how many steps are done. An interrupted run leaves nothing behind that a later one would take.
    """
    written = _manifest_in(directory, seed, as_of)
    if written is not None:
        return written
    building = directory.with_name(directory.name + ".partial")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    manifest = _write_files(building, progress, seed, as_of)
    manifest.write(building / MANIFEST)
    shutil.rmtree(directory, ignore_errors=True)
    building.rename(directory)
    return manifest


def _manifest_in(directory: Path, seed: int, as_of: datetime) -> CompanyManifest | None:
    try:
        manifest = CompanyManifest.read(directory / MANIFEST)
    except (OSError, ValueError, KeyError):
        return None
    wanted = (seed, GENERATION, as_of)
    return manifest if (manifest.seed, manifest.generation, manifest.as_of) == wanted else None


def _write_files(
    directory: Path, progress: Progress, seed: int, as_of: datetime
) -> CompanyManifest:
    totals = UsageTotals()
    usage: dict[str, Expected] = {}
    steps = len(FLOWS) + 1
    for done, source in enumerate(FLOWS):
        progress(source, done, steps)
        usage[source] = _write_source(directory, source, totals, seed, as_of)
    progress("bills", len(FLOWS), steps)
    billed = {
        "aws_bill": write_aws_bill(directory, totals, seed, as_of),
        "gpu_bill": write_focus_bill(directory, totals, as_of),
    }
    progress("done", steps, steps)
    return CompanyManifest(
        seed=seed,
        generation=GENERATION,
        as_of=as_of,
        usage=usage,
        billed={
            name: {month: amount(units) for month, units in sums.items()}
            for name, sums in billed.items()
        },
        unmapped_tenant=UNMAPPED_TENANT.tenant_id,
        unpriced_dimensions=UNPRICED_DIMENSIONS,
    )


def _write_source(
    directory: Path, source: str, totals: UsageTotals, seed: int, as_of: datetime
) -> Expected:
    # Mixpanel says nothing of a running day, and only its users' events can be corrected nowhere.
    is_mixpanel = source == "product"
    if is_mixpanel:
        as_of = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    disorder = Disorder(source, seed, has_corrections=not is_mixpanel)
    deliveries = disorder.deliver(_counted(usage_of(source, seed, as_of), totals))
    writer = FileWriter(directory, source, seed)
    _write(writer, source, deliveries, as_of)
    return writer.expected(disorder.conflicts)


def _write(writer: FileWriter, source: str, deliveries: Deliveries, as_of: datetime) -> None:
    if source == "gateway":
        write_gateway(writer, deliveries)
    elif source == "logs":
        write_logs(writer, deliveries)
    elif source == "app_db":
        write_app_database(writer, deliveries, as_of)
    else:
        write_mixpanel(writer, deliveries)


def _counted(
    usage: Iterator[tuple[datetime, list[Measurement]]], totals: UsageTotals
) -> Iterator[tuple[datetime, list[Measurement]]]:
    for day, records in usage:
        totals.add(records)
        yield day, records
