"""Usage records as sources deliver them: what is read, what is refused, and under which key."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from hashlib import md5
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from models.delivered import (
    Reason,
    Rejection,
    RowError,
    missing,
    read_instant,
    read_metadata,
    read_name,
    read_number,
    read_optional_name,
)
from models.exact_json import read_json, write_json
from models.occurrences import Occurrences

VALUE_DECIMALS = 9
MAX_WHOLE_DIGITS = 29
MAX_AHEAD = timedelta(days=1)

Row = Mapping[str, Any]
Getter = Callable[[Row], Any]
# A column, a dotted path into JSON, `{const: ...}`, or for metadata `{name: column}`; of a tuple of
# paths the first one present counts.
FieldPaths = Mapping[str, Any]

# Where each field is looked for when the source maps nothing; the first one present counts.
STANDARD_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "timestamp": ("timestamp", "time"),
    "tenant_id": ("tenant_id", "customer_id", "customerId", "subject"),
    "dimension_id": ("dimension_id", "dimensionId", "type"),
    "value": ("value", "recordValue", "data.value"),
    "metadata": ("metadata",),
    "corrects": ("corrects",),
}


class UsageRecord(NamedTuple):
    """One measurement as delivered; a tuple in the column order of the landing table.

    The key is the 32 hex digits of a uuid; ``metadata`` is JSON text as delivered.
    A named tuple, not a dataclass: it is made once per record, and costs a fifth to make.
    """

    record_key: str
    record_id: str
    occurred_at: datetime
    tenant_id: str
    dimension_id: str
    value: Decimal
    metadata: str | None
    corrects: str | None
    is_rounded: bool


def record_key(source: str, record_id: str) -> str:
    """Return the key under which a record of a source is journaled once, as 32 hex digits."""
    return md5(f"{source}\x1f{record_id}".encode(), usedforsecurity=False).hexdigest()


class UsageReader:
    """The reading of one delivered file's rows: fields, time zone, and what repeats in it.

    A local time without offset is in ``timezone``; one that a clock change makes ambiguous is the
    first of the two, one that it skips is read with the offset that held before the change.
    With ``needs_ids``, a row without an id is refused.
    """

    def __init__(
        self,
        source: str,
        fields: FieldPaths | None,
        timezone: tzinfo,
        now: datetime,
        *,
        needs_ids: bool = False,
    ) -> None:
        self._source = source
        self._needs_ids = needs_ids
        # `UTC` itself needs no conversion, `ZoneInfo("UTC")` would for every record.
        self._timezone = UTC if str(timezone) == "UTC" else timezone
        self._latest = now + MAX_AHEAD
        mapped = dict(fields or {})
        self._get = {name: field_getter(name, mapped.get(name)) for name in STANDARD_NAMES}
        self._sees_cloudevents = "metadata" not in mapped
        self._occurrences = Occurrences()

    def read(self, row: Row) -> UsageRecord | Rejection:
        """Return the record in a row, or why there is none."""
        try:
            return self._record(row)
        except RowError as refusal:
            return refusal.rejection
        except UnicodeError:
            return Rejection(Reason.INVALID_ENCODING, "a text of the row is not valid UTF-8")

    def _record(self, row: Row) -> UsageRecord:
        get = self._get
        occurred_at = self._instant(get["timestamp"](row))
        tenant_id = read_name("tenant_id", get["tenant_id"](row))
        dimension_id = read_name("dimension_id", get["dimension_id"](row))
        value, is_rounded = read_number(
            "value",
            get["value"](row),
            decimals=VALUE_DECIMALS,
            whole_digits=MAX_WHOLE_DIGITS,
        )
        metadata = self._metadata(row)
        corrects = read_optional_name("corrects", get["corrects"](row))
        record_id = read_optional_name("id", get["id"](row))
        if record_id is None:
            if self._needs_ids:
                raise missing("id")
            record_id = self._id_of_the_row(row)
        elif corrects == record_id:
            raise RowError(Reason.BAD_CORRECTION, "the record corrects itself")
        return UsageRecord(
            record_key(self._source, record_id),
            record_id,
            occurred_at,
            tenant_id,
            dimension_id,
            value,
            metadata,
            corrects,
            is_rounded,
        )

    def _instant(self, given: Any) -> datetime:
        moment = read_instant("timestamp", given, self._timezone)
        if moment > self._latest:
            raise RowError(
                Reason.FUTURE_TIMESTAMP, f"{moment.isoformat()} is more than a day ahead"
            )
        return moment

    def _metadata(self, row: Row) -> str | None:
        given = self._get["metadata"](row)
        if given is None and self._sees_cloudevents and "specversion" in row:
            data = row.get("data")
            if isinstance(data, Mapping):
                given = {name: data[name] for name in data if name != "value"}
        if given is None or given == "":
            return None
        return read_metadata(given)

    def _id_of_the_row(self, row: Row) -> str:
        """Return the hash of the canonical row and which occurrence in the file this is."""
        canonical = write_json({name: row[name] for name in sorted(row)})
        digest = md5(canonical.encode(), usedforsecurity=False)
        return f"{digest.hexdigest()}-{self._occurrences.count(digest.digest())}"


def read_usage_record(
    row: Row, fields: FieldPaths | None, source: str, default_timezone: str, now: datetime
) -> UsageRecord | Rejection:
    """Return the record in one row, or why there is none; for files use ``UsageReader``."""
    return UsageReader(source, fields, ZoneInfo(default_timezone), now).read(row)


def field_getter(field: str, path: Any) -> Getter:
    """Return the function that finds a field in a row."""
    if path is None:
        return _first_of([path_getter(name) for name in STANDARD_NAMES[field]])
    if isinstance(path, str):
        return path_getter(path)
    if isinstance(path, tuple):
        return _first_of([path_getter(name) for name in path])
    if set(path) == {"const"}:
        constant = path["const"]
        return lambda _: constant
    parts = {name: path_getter(column) for name, column in path.items()}
    return lambda row: {name: get(row) for name, get in parts.items()}


def _first_of(getters: list[Getter]) -> Getter:
    if len(getters) == 1:
        return getters[0]
    first, *others = getters

    def get(row: Row) -> Any:
        value = first(row)
        if value is not None and value != "":
            return value
        for other in others:
            value = other(row)
            if value is not None and value != "":
                return value
        return None

    return get


def path_getter(path: str) -> Getter:
    """Return the function that finds a column, or what lies at a dotted path into JSON."""
    if "." not in path:
        return lambda row: row.get(path)
    steps = path.split(".")

    def get(row: Row) -> Any:
        # A column may itself be called `a.b`, as Parquet and CSV headers often are.
        return row[path] if path in row else _walk(row, steps)

    return get


def _walk(value: Any, steps: list[str]) -> Any:
    """Return what lies at a path, reading JSON text on the way; None where it ends early."""
    for step in steps:
        if isinstance(value, str):
            try:
                value = read_json(value)
            except ValueError:
                return None
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value
