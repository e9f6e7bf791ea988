"""Decompression with a cap: a bomb costs the cap, not its size."""

from __future__ import annotations

import sys
import zlib
from typing import Any

from runs.payloads.model import LayerError, problem_at

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TAG = 4
GZIP = 16 + zlib.MAX_WBITS
WINDOW = {int(zstd.DecompressionParameter.window_log_max): 27}


def inflate(data: bytes, cap: int) -> bytes:
    """The payload inside `data` (tag included). LayerError: damaged, cut short, or above `cap` bytes.

    The error of a payload that was cut short carries the `partial` bytes that could be read.
    """
    name = data[:TAG].decode()
    stream: Any = zlib.decompressobj(GZIP) if name == "gzip" else zstd.ZstdDecompressor(options=WINDOW)
    try:
        out: bytes = stream.decompress(memoryview(data)[TAG:], cap + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise LayerError("corrupt", problem_at(name, data, TAG, f"not {name} data: {error}")) from None
    if len(out) > cap:
        reason = f"inflates to more than {cap:,} bytes"
        raise LayerError("corrupt", problem_at(name, data, len(data), reason))
    if not stream.eof:
        reason = "the compressed data ends too early"
        raise LayerError("corrupt", problem_at(name, data, len(data), reason), partial=out)
    return out
