"""Small valid files of every format, each in several variants: what `fuzz` damages."""

import csv
import gzip
import io
import json

import numpy as np

ROWS, CLASSES = 30, ("dog", "cat", "fox")
RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(ROWS, 3)).round(3)
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = RNG.integers(0, 3, ROWS)
NAMES = [CLASSES[label] for label in LABELS]
IDS = [f"image {row:03}" for row in range(ROWS)]


def _columns(kind, values):
    return {f"{kind}_{name}": values[:, place] for place, name in enumerate(CLASSES)}


def _tables():
    import pyarrow as pa

    lists = pa.FixedSizeListArray.from_arrays(pa.array(PROBS.astype(np.float32).ravel()), 3)
    named = {"classes": json.dumps(CLASSES)}
    yield pa.table({"id": IDS, "label": NAMES, **_columns("prob", PROBS)})
    yield pa.table({"label": LABELS, "probs": lists}).replace_schema_metadata(named)
    yield pa.table({"label": pa.array(NAMES).dictionary_encode(), **_columns("logit", LOGITS)})
    varying = lists.cast(pa.list_(pa.float32()))
    yield pa.table({"id": IDS, "label": LABELS, "probs": varying}).replace_schema_metadata(named)


def _parquet():
    import pyarrow.parquet as pq

    for table, options in zip(
        [*_tables(), *_tables()],
        [{"compression": "zstd"}, {}, {"row_group_size": 7}, {"compression": "gzip"}] * 2,
        strict=True,
    ):
        out = io.BytesIO()
        pq.write_table(table, out, **options)
        yield ".parquet", out.getvalue()


def _arrow():
    import pyarrow as pa

    for table in _tables():
        for new, options in ((pa.ipc.new_file, None), (pa.ipc.new_stream, "zstd"), (pa.ipc.new_file, "lz4")):
            out = io.BytesIO()
            with new(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=options)) as writer:
                writer.write_table(table, max_chunksize=11)
            yield ".arrow", out.getvalue()


def _rows():
    for row in range(ROWS):
        yield {
            "id": IDS[row],
            "label": NAMES[row],
            **dict(zip(_columns("prob", PROBS), PROBS[row].tolist(), strict=True)),
        }


def _csv():
    for separator, suffix in ((",", ".csv"), ("\t", ".tsv")):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(next(_rows())), delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_rows())
        plain = text.getvalue()
        yield suffix, plain.encode()
        yield suffix, plain.replace("image 0", '"image, ""\t').encode()
        yield suffix, plain.replace("\n", "\r\n").encode()
        yield suffix + ".gz", gzip.compress(plain.encode(), mtime=0)


def _jsonl():
    plain = "".join(json.dumps(row) + "\n" for row in _rows())
    yield ".jsonl", plain.encode()
    listed = ({"label": int(LABELS[row]), "probs": PROBS[row].tolist()} for row in range(ROWS))
    yield ".jsonl", "".join(json.dumps(row) + "\n" for row in listed).encode()
    yield ".jsonl.gz", gzip.compress(plain.encode(), mtime=0)


def _npy():
    for values in (LOGITS, LOGITS.astype(np.float16), np.asfortranarray(LOGITS.astype(">f4"))):
        out = io.BytesIO()
        np.save(out, values)
        yield ".npy", out.getvalue()


def _npz():
    for save in (np.savez, np.savez_compressed):
        for order in "CF":
            out = io.BytesIO()
            logits = np.asarray(LOGITS, order=order)
            save(out, logits=logits, labels=LABELS, classes=np.array(CLASSES), ids=np.array(IDS))
            yield ".npz", out.getvalue()


FORMATS = {"parquet": _parquet, "arrow": _arrow, "csv": _csv, "jsonl": _jsonl, "npy": _npy, "npz": _npz}
