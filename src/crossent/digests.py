"""Digests of what is compared: of a block's ids and labels, and of all blocks together.

What they say of a comparison is the business of `signature`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from crossent.predictions import Block


def ids_digest(block: Block) -> bytes:
    """Of the ids as text, whatever type or format they were stored in; empty where there are none."""
    if block.ids is None:
        return b""
    _, offsets, text = block.ids.buffers()
    wide = np.int64 if str(block.ids.type).startswith("large") else np.int32
    ends = np.frombuffer(offsets, wide)[block.ids.offset : block.ids.offset + len(block.ids) + 1]
    digest = blake2b(np.diff(ends).astype("<i4").tobytes(), digest_size=16)
    digest.update(b"" if text is None else memoryview(text)[ends[0] : ends[-1]])
    return digest.digest()


def labels_digest(block: Block) -> bytes:
    stored = block.labels.astype("<i4" if block.labels.ndim == 1 else "<f8")
    return blake2b(np.ascontiguousarray(stored).data, digest_size=16).digest()


def joined(digests: Sequence[bytes]) -> str:
    return blake2b(b"".join(digests), digest_size=16).hexdigest() if any(digests) else ""
