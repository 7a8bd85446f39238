"""Objects of an S3 bucket and files of a folder, as deliveries: one per version of an object."""

import glob
import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from connectors.aws_session import aws_client, explain
from connectors.deliveries import (
    Block,
    DeliveredRow,
    Delivery,
    DeliveryFailed,
    SourceUnavailable,
)
from connectors.file_formats import FileFormat, Readable, format_of, read_blocks
from models.settings import AwsAccess

_NO_ACCESS = "Check bucket, prefix, region and the right to list and read them"
PAGE_OBJECTS = 1_000
_CHANGED = {"PreconditionFailed", "NoSuchKey", "404", "412"}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as it was listed; ``version`` changes whenever its bytes do."""

    name: str
    version: str
    modified_at: float


class S3Bucket:
    """The objects below a prefix of a bucket."""

    def __init__(self, source: str, bucket: str, prefix: str, access: AwsAccess) -> None:
        self.source = source
        self.bucket = bucket
        self.prefix = prefix
        self._client = aws_client("s3", access, source)

    def objects(self) -> Iterator[StoredObject]:
        """Yield every object, page by page; folder markers are none."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix, PaginationConfig={"PageSize": PAGE_OBJECTS}
        )
        try:
            for page in pages:
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):
                        yield StoredObject(
                            item["Key"], item["ETag"].strip('"'), item["LastModified"].timestamp()
                        )
        except (BotoCoreError, ClientError) as error:
            raise self._unavailable(error) from error

    def open(self, stored: StoredObject) -> "S3Stream":
        """Return the bytes of exactly the listed version of an object."""
        try:
            answer = self._client.get_object(
                Bucket=self.bucket, Key=stored.name, IfMatch=f'"{stored.version}"'
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _CHANGED:
                raise DeliveryFailed(
                    self.source,
                    f"{stored.name} changed while the bucket was being read",
                    "The next pull reads its new version",
                ) from error
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error
        return S3Stream(answer["Body"], self.source, stored.name)

    def has(self, stored: StoredObject) -> bool:
        """Say that an object may be opened: whether it is still that version shows then."""
        return stored.name.startswith(self.prefix)

    def _unavailable(self, error: BotoCoreError | ClientError) -> SourceUnavailable:
        place = f"s3://{self.bucket}/{self.prefix}"
        return SourceUnavailable(self.source, f"{place}: {explain(error)}", _NO_ACCESS)


class S3Stream:
    """The body of an object; a connection that breaks is no end of the file."""

    def __init__(self, body: Any, source: str, name: str) -> None:
        self._body = body
        self._source = source
        self._name = name

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, nothing at the end."""
        try:
            data: bytes = self._body.read(size)
        except (BotoCoreError, HTTPError, OSError) as error:
            raise SourceUnavailable(
                self._source,
                f"the connection broke while {self._name} was read ({type(error).__name__})",
                "The next pull reads it again",
            ) from error
        return data

    def close(self) -> None:
        """Give the connection back."""
        self._body.close()


class LocalFolder:
    """The files that match a path with wildcards; ``**`` goes into folders.

    Files below ``directory`` are known by their path from there, so that a workspace can move.
    """

    def __init__(self, source: str, directory: Path, pattern: str) -> None:
        self.source = source
        self.directory = directory.resolve()
        self.pattern = str(self.directory / Path(pattern).expanduser())

    def objects(self) -> Iterator[StoredObject]:
        """Yield every file in the order of names; its version is the hash of its bytes.

        A file that grows is a new version, whose earlier rows are duplicates of the landed ones.
        """
        names = sorted(glob.glob(self.pattern, recursive=True))  # noqa: PTH207 - absolute patterns
        if not names and not glob.has_magic(self.pattern):
            raise SourceUnavailable(
                self.source, f"there is no file {self.pattern}", "Check its path"
            )
        for path in map(Path, names):
            if path.is_file():
                yield StoredObject(self._name(path), self._version(path), path.stat().st_mtime)

    def open(self, stored: StoredObject) -> Any:
        """Return the bytes of a file."""
        path = self.directory / stored.name
        try:
            return path.open("rb")
        except OSError as error:
            raise self._unreadable(path, error) from error

    def has(self, stored: StoredObject) -> bool:
        """Return whether a file still has the bytes that were listed."""
        path = self.directory / stored.name
        return path.is_file() and self._version(path) == stored.version

    def _name(self, path: Path) -> str:
        is_inside = path.is_relative_to(self.directory)
        return str(path.relative_to(self.directory) if is_inside else path)

    def _version(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: Path, error: OSError) -> SourceUnavailable:
        return SourceUnavailable(
            self.source, f"{path}: {error.strerror}", "Check the path and the right to read it"
        )


Store = S3Bucket | LocalFolder


def file_deliveries(store: Store, file_format: FileFormat | None) -> Iterator[Delivery]:
    """Yield every object as a delivery; markers such as ``_SUCCESS`` and dot files are none.

    An object whose format neither the settings nor its name tell is a delivery that fails.
    """
    for stored in store.objects():
        if stored.name.rpartition("/")[2].startswith(("_", ".")):
            continue
        blocks = blocks_of(store, stored, file_format)
        yield Delivery(stored.name, stored.version, _rows(blocks), blocks=blocks)


def _rows(blocks: Callable[[], Iterator[Block]]) -> Callable[[], Iterator[DeliveredRow]]:
    return lambda: (row for block in blocks() for row in block.left())


def blocks_of(
    store: Store, stored: StoredObject, file_format: FileFormat | None
) -> Callable[[], Iterator[Block]]:
    """Return what reads an object."""

    def blocks() -> Iterator[Block]:
        told = file_format or format_of(stored.name)
        if told is None:
            raise DeliveryFailed(
                store.source,
                f"the name of {stored.name} tells no format",
                "Set `format: jsonl`, `csv` or `parquet`, or narrow the prefix or path",
            )
        stream: Readable
        with closing(store.open(stored)) as stream:
            yield from read_blocks(stream, told)

    return blocks
