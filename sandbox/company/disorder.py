"""What goes wrong between a measurement and its delivery, in known amounts.

What a reader then finds does not depend on the order in which it reads: a record that is delivered
with two contents is delivered exactly twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from random import Random

from sandbox.company.records import Measurement

CORRECTED_EVERY = 400
LATE_IN_1000 = 10
REPEATED_IN_1000 = 15
LATEST_DELAY_DAYS = 6
CONFLICTS = 7

Deliveries = dict[datetime, list[Measurement]]


class Disorder:
    """The disorder of one source; makes the same mess again from the same seed."""

    def __init__(self, source: str, seed: int, *, has_corrections: bool) -> None:
        self._random = Random(f"{seed}/{source}/disorder")  # noqa: S311 - repeatable on purpose
        self._has_corrections = has_corrections
        # Records whose copies would make the counts depend on the order of reading.
        self._delicate: set[str] = set()
        self.conflicts: Counter[str] = Counter()

    def deliver(self, usage: Iterable[tuple[datetime, list[Measurement]]]) -> Deliveries:
        """Return the rows of each day's files: late, repeated, corrected and out of order."""
        by_day = {day: records for day, records in usage if records}
        delivery_days = sorted(by_day)
        deliveries: Deliveries = defaultdict(list)
        last = len(delivery_days) - 1
        for position, day in enumerate(delivery_days):
            for record in self._with_corrections(by_day[day]):
                delay = 0
                if self._random.randrange(1000) < LATE_IN_1000:
                    delay = 1 + self._random.randrange(LATEST_DELAY_DAYS)
                deliveries[delivery_days[min(last, position + delay)]].append(record)
                if record.record_id not in self._delicate:
                    for copy_delay in self._copies():
                        target = min(last, position + delay + copy_delay)
                        deliveries[delivery_days[target]].append(record)
        self._add_conflicts(by_day, delivery_days, deliveries)
        for rows in deliveries.values():
            self._random.shuffle(rows)
        return dict(sorted(deliveries.items()))

    def _copies(self) -> Iterable[int]:
        """Yield the delay, in days, of every further copy: within the file, or in a later one."""
        if self._random.randrange(1000) < REPEATED_IN_1000:
            yield 0
        if self._random.randrange(1000) < REPEATED_IN_1000:
            yield 1 + self._random.randrange(3)

    def _with_corrections(self, records: list[Measurement]) -> Iterable[Measurement]:
        for number, record in enumerate(records):
            yield record
            if self._has_corrections and number % CORRECTED_EVERY == CORRECTED_EVERY // 2:
                yield from self._corrections_of(record)

    def _corrections_of(self, record: Measurement) -> list[Measurement]:
        first = correction(record, "c1", "0" if self._random.getrandbits(2) == 0 else None)
        kind = self._random.randrange(8)
        if kind == 0:
            return [first, correction(first, "c2", None)]
        if kind == 1 and self.conflicts["conflicting_correction"] < CONFLICTS:
            # A second opinion on the same record: only one of the two can stand.
            rival = correction(record, "x1", None)
            self._delicate.update((first.record_id, rival.record_id))
            self.conflicts["conflicting_correction"] += 1
            return [first, rival]
        return [first]

    def _add_conflicts(
        self,
        by_day: dict[datetime, list[Measurement]],
        delivery_days: list[datetime],
        deliveries: Deliveries,
    ) -> None:
        """Deliver some records once more under their id, with another value."""
        records = [row for rows in deliveries.values() for row in rows]
        copies = Counter(record.record_id for record in records)
        corrected = {record.corrects for record in records}
        for number in range(CONFLICTS if self._has_corrections else 0):
            position = (number + 1) * len(delivery_days) // (CONFLICTS + 2)
            record = next(
                record
                for record in by_day[delivery_days[position]]
                if copies[record.record_id] == 1 and record.record_id not in corrected
            )
            other = record._replace(value=lowered(record.value))
            deliveries[delivery_days[position + 1]].append(other)
            self.conflicts["conflicting_id"] += 1


def correction(record: Measurement, suffix: str, value: str | None) -> Measurement:
    """Return the record that takes another's place; without a value, with a lower one."""
    return record._replace(
        record_id=f"{record.record_id}-{suffix}",
        value=lowered(record.value) if value is None else value,
        corrects=record.record_id,
    )


def lowered(value: str) -> str:
    """Return a value less a tenth, always another one; decimal text needs no arithmetic for it."""
    whole, dot, part = value.partition(".")
    return f"{int(whole) * 9 // 10}{dot}{part}"
