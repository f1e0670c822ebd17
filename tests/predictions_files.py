"""The same predictions written in every format that is read, for the tests of `crossent.predictions`."""

import gzip
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from crossent.predictions import Columns, open_sources

CLASSES = ("dog", "cat")
IDS = ["1", "2", "3"]
LABELS = [0, 1, 0]
NN1 = np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
NN2 = np.array([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]])


def read(*sources, labels=None, renormalize=False, memory=500_000_000, **declared):
    """All blocks of these sources."""
    columns = Columns(**declared)
    opened = open_sources(
        list(sources), labels=labels, columns=columns, renormalize=renormalize, memory=memory
    )
    return list(opened.blocks())


def csv_text(q, *, ids=IDS, labels=LABELS, classes=CLASSES, order=None, kind="prob", separator=","):
    """A predictions file as text; ``order`` shuffles the columns of the classes."""
    order = range(len(classes)) if order is None else order
    header = ["id", "label", *(f"{kind}_{classes[j]}" for j in order)]
    rows = [
        [str(ids[i]), classes[labels[i]], *(repr(float(q[i, j])) for j in order)] for i in range(len(ids))
    ]
    return "".join(separator.join(row) + "\n" for row in [header, *rows])


def table(q, *, ids=IDS, labels=LABELS, classes=CLASSES, kind="prob"):
    """An Arrow table with one column per class."""
    columns = {f"{kind}_{name}": q[:, j] for j, name in enumerate(classes)}
    return pa.table({"id": ids, "label": [classes[i] for i in labels], **columns})


def list_table(q, *, ids=IDS, labels=LABELS, classes=CLASSES, name="probs", variable=False):
    """An Arrow table with one list column."""
    flat = pa.array(np.ascontiguousarray(q).ravel())
    lists = pa.FixedSizeListArray.from_arrays(flat, len(classes))
    if variable:
        lists = lists.cast(pa.list_(lists.type.value_type))
    data = pa.table({"id": ids, "label": labels, name: lists})
    return data.replace_schema_metadata({"classes": json.dumps(classes)})


def _npz(path, q, kind, ids, labels, classes, save=np.savez):
    save(path, ids=np.array(ids), labels=np.array(labels), classes=np.array(classes), **{kind: q})
    return path


def _text(path, text, compression=None):
    with pa.output_stream(str(path), compression=compression) as out:
        out.write(text.encode())
    return path


def _parquet(path, data):
    pq.write_table(data, path, row_group_size=50_000)
    return path


def _whole(kind):
    return "probs" if kind == "prob" else "logits"


# name -> function of (folder, name, q, kind, ids, labels, classes) that gives a source
FORMATS = {
    "parquet": lambda f, n, q, k, i, y, c: _parquet(
        f / f"{n}.parquet", table(q, ids=i, labels=y, classes=c, kind=k)
    ),
    "parquet lists": lambda f, n, q, k, i, y, c: _parquet(
        f / f"{n}.parquet", list_table(q, ids=i, labels=y, classes=c, name=_whole(k), variable=True)
    ),
    "parquet fixed lists": lambda f, n, q, k, i, y, c: _parquet(
        f / f"{n}.parquet", list_table(q, ids=i, labels=y, classes=c, name=_whole(k))
    ),
    "csv": lambda f, n, q, k, i, y, c: _text(
        f / f"{n}.csv", csv_text(q, ids=i, labels=y, classes=c, kind=k)
    ),
    "csv.gz": lambda f, n, q, k, i, y, c: _text(
        f / f"{n}.csv.gz", csv_text(q, ids=i, labels=y, classes=c, kind=k), "gzip"
    ),
    "csv.zst": lambda f, n, q, k, i, y, c: _text(
        f / f"{n}.csv.zst", csv_text(q, ids=i, labels=y, classes=c, kind=k), "zstd"
    ),
    "tsv": lambda f, n, q, k, i, y, c: _text(
        f / f"{n}.tsv", csv_text(q, ids=i, labels=y, classes=c, kind=k, separator="\t")
    ),
    "npz": lambda f, n, q, k, i, y, c: _npz(f / f"{n}.npz", q, _whole(k), i, y, c),
    "npz compressed": lambda f, n, q, k, i, y, c: _npz(
        f / f"{n}.npz", q, _whole(k), i, y, c, np.savez_compressed
    ),
    "npz fortran": lambda f, n, q, k, i, y, c: _npz(f / f"{n}.npz", np.asfortranarray(q), _whole(k), i, y, c),
    "npz fortran compressed": lambda f, n, q, k, i, y, c: _npz(
        f / f"{n}.npz", np.asfortranarray(q), _whole(k), i, y, c, np.savez_compressed
    ),
    "arrow": lambda f, n, q, k, i, y, c: table(q, ids=i, labels=y, classes=c, kind=k),
    "arrow batch": lambda f, n, q, k, i, y, c: (
        table(q, ids=i, labels=y, classes=c, kind=k).combine_chunks().to_batches()[0]
    ),
    "pandas": lambda f, n, q, k, i, y, c: pd.DataFrame(
        {"id": i, "label": [c[j] for j in y], **{f"{k}_{name}": q[:, j] for j, name in enumerate(c)}}
    ),
    "polars": lambda f, n, q, k, i, y, c: pl.DataFrame(
        {"id": i, "label": [c[j] for j in y], **{f"{k}_{name}": q[:, j] for j, name in enumerate(c)}}
    ),
    "mapping": lambda f, n, q, k, i, y, c: {"ids": i, "labels": y, "classes": c, _whole(k): q},
    "mapping of lists": lambda f, n, q, k, i, y, c: {
        "id": i, "label": [c[j] for j in y], "classes": list(c), _whole(k): q.tolist()
    },
    "mapping of tensors": lambda f, n, q, k, i, y, c: {
        "id": i, "label": torch.tensor(y), "classes": c, _whole(k): torch.tensor(q, requires_grad=True)
    },
}  # fmt: skip


def compressed(text):
    """Gzip bytes."""
    return gzip.compress(text.encode() if isinstance(text, str) else text)
