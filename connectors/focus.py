"""Cloud bills exported in FOCUS columns: by billing period where manifests lie, else by file.

A bill is replaced as a whole, so a file that breaks off is not landed: the last good one stands.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from connectors.deliveries import (
    DeliveredRow,
    Delivery,
    DeliveryFailed,
    SourceUnavailable,
    Unreadable,
)
from connectors.file_formats import FileFormat, format_of, read_rows
from connectors.object_store import Store, StoredObject
from models.delivered import Reason
from models.exact_json import read_json

# AWS Data Exports: data and metadata side by side. Exports that keep every refresh put each into
# a folder of its own below the period.
_MANIFEST = re.compile(
    r"(?P<root>(?:.*/)?)metadata/(?P<period>BILLING_PERIOD=\d{4}-\d{2})/(?P<refresh>.*/)?"
    r"[^/]*Manifest\.json"
)


def deliveries(
    store: Store, file_format: FileFormat | None, *, manifest: bool | None
) -> Iterator[Delivery]:
    """Yield billing periods that their manifests call complete, or every file by itself.

    ``manifest`` None decides by whether there is any manifest.
    """
    stored = list(store.objects())
    manifests = _latest_manifests(stored)
    if manifest or (manifest is None and manifests):
        for name, latest in sorted(manifests.items()):
            rows = _manifest_rows(store, stored, latest, file_format)
            yield Delivery(name, latest.version, rows)
        return
    files = [file for file in stored if _format(file, file_format) is not None]
    if stored and not files:
        raise SourceUnavailable(
            store.source,
            f"none of its {len(stored)} files is known as CSV or Parquet by its name",
            "Set `format: csv` or `parquet`, or correct the prefix or path",
        )
    for file in files:
        yield Delivery(file.name, file.version, _file_rows(store, [file], file_format))


def _format(file: StoredObject, file_format: FileFormat | None) -> FileFormat | None:
    """Return the format of a data file; None for what lies beside the data."""
    told = format_of(file.name)
    if told == "jsonl" or file.name.rpartition("/")[2].startswith(("_", ".")):
        return None
    return file_format or told


def _latest_manifests(stored: list[StoredObject]) -> dict[str, StoredObject]:
    """Return the newest manifest of every export and billing period."""
    latest: dict[str, StoredObject] = {}
    for file in stored:
        match = _MANIFEST.fullmatch(file.name)
        if match:
            name = f"{match['root']}{match['period']}"
            known = latest.get(name)
            if known is None or (known.modified_at, known.name) < (file.modified_at, file.name):
                latest[name] = file
    return latest


def _manifest_rows(
    store: Store, stored: list[StoredObject], manifest: StoredObject, file_format: FileFormat | None
) -> Callable[[], Iterator[DeliveredRow]]:
    def rows() -> Iterator[DeliveredRow]:
        files = _files_of(store, stored, manifest)
        yield from _file_rows(store, files, file_format)()

    return rows


def _files_of(
    store: Store, stored: list[StoredObject], manifest: StoredObject
) -> list[StoredObject]:
    """Return the files that a manifest lists; all of them must be there."""
    content = _manifest_content(store, manifest)
    listed = content.get("dataFiles")
    match = _MANIFEST.fullmatch(manifest.name)
    if listed is None and match:
        folder = f"{match['root']}data/{match['period']}/{match['refresh'] or ''}"
        found = [file for file in stored if file.name.startswith(folder) and format_of(file.name)]
        if not found:
            raise _lacking(store, manifest, f"files in {folder}")
        return found
    by_place = {_place(file.name): file for file in stored}
    files = []
    for name in listed or []:
        file = by_place.get(_place(str(name)))
        if file is None:
            raise _lacking(store, manifest, str(name))
        files.append(file)
    return files


def _lacking(store: Store, manifest: StoredObject, what: str) -> DeliveryFailed:
    return DeliveryFailed(
        store.source,
        f"{manifest.name} stands for {what}, which is not there",
        "The export may be under way; the next pull tries again",
    )


def _place(name: str) -> str:
    """Return where a file lies below its export: manifests write addresses, buckets keys."""
    key = re.sub(r"^s3://[^/]+/", "", name)
    _, separator, place = key.rpartition("/data/")
    return place if separator else key


def _manifest_content(store: Store, manifest: StoredObject) -> dict[str, Any]:
    with closing(store.open(manifest)) as stream:
        parts = iter(lambda: stream.read(1024 * 1024), b"")
        text = b"".join(parts)
    try:
        content = read_json(text.decode())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DeliveryFailed(
            store.source, f"{manifest.name} is not JSON", "The next pull reads it again"
        )
    return content


def _file_rows(
    store: Store, files: list[StoredObject], file_format: FileFormat | None
) -> Callable[[], Iterator[DeliveredRow]]:
    def rows() -> Iterator[DeliveredRow]:
        offset = 0
        for file in files:
            row_number = 0
            with closing(store.open(file)) as stream:
                for row_number, row in read_rows(stream, _format(file, file_format) or "csv"):
                    if isinstance(row, Unreadable) and row.reason is Reason.UNREADABLE_FILE:
                        raise DeliveryFailed(
                            store.source,
                            f"{file.name}: {row.detail}",
                            "Nothing of it was kept; deliver the file again",
                        )
                    yield offset + row_number, row
            offset += row_number

    return rows
