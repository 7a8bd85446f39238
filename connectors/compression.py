"""Decompression of streams in bounded memory, which notices that a stream breaks off."""

from collections.abc import Iterator
from itertools import chain

import zstandard
from isal import igzip_lib, isal_zlib

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MOST_AT_ONCE = 1024 * 1024
# A zstd block of 4 bytes may stand for 128 KiB: with steps this small, a hostile file takes some
# 30 MiB of memory at most.
ZSTD_STEP_BYTES = 1024


class BrokenCompression(ValueError):  # noqa: N818 - what happened, in the words of the message
    """A compressed stream that ends early or is damaged."""


def decompressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the plain bytes of a stream, whose first bytes tell how it is compressed."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(ZSTD_MAGIC):
            break
    stream = chain([head] if head else [], chunks)
    if head.startswith(GZIP_MAGIC):
        return _gunzipped(stream)
    if head.startswith(ZSTD_MAGIC):
        return _unzstd(stream)
    return stream


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = isal_zlib.decompressobj(wbits=31)
    is_open = False
    try:
        for chunk in chunks:
            data = chunk
            while data:
                is_open = True
                if plain := member.decompress(data, MOST_AT_ONCE):
                    yield plain
                data = member.unconsumed_tail
                if member.eof:
                    # A gzip file may hold several members, one after the other; zeros pad it.
                    data = member.unused_data.lstrip(b"\x00")
                    member, is_open = isal_zlib.decompressobj(wbits=31), False
    except igzip_lib.IsalError as error:  # type: ignore[misc] # the stub declares an instance
        raise BrokenCompression(f"the gzip stream is damaged ({error})") from error
    if is_open:
        raise BrokenCompression("the gzip stream breaks off")


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    frame = zstandard.ZstdDecompressor().decompressobj()
    is_open = False
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), ZSTD_STEP_BYTES):
                data = chunk[start : start + ZSTD_STEP_BYTES]
                while data:
                    is_open = True
                    if plain := frame.decompress(data):
                        yield plain
                    data = frame.unused_data if frame.eof else b""
                    if frame.eof:
                        frame, is_open = zstandard.ZstdDecompressor().decompressobj(), False
    except zstandard.ZstdError as error:
        raise BrokenCompression(f"the zstd stream is damaged ({error})") from error
    if is_open:
        raise BrokenCompression("the zstd stream breaks off")
