"""Broken and hostile files: valid ones of every format, damaged at random, read in a process of their own.

    python tests/fuzz.py parquet --minutes 10      # prints what it finds; --case 1234 runs one case again

A file may be refused in one sentence, or read. It may never crash the process, take over 10 seconds or a
gigabyte, raise anything but the package's own errors, or be read as something else than an independent
reader finds in it. A case is known by its format and its number.
"""

import argparse
import csv
import gzip
import io
import json
import multiprocessing
import random
import re
import resource
import tempfile
import time
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa

from fuzz_files import FORMATS, LABELS

SECONDS, BYTES = 10, 2**30
TURNS = 300  # cases until a process is made anew: what libraries keep is not what one file takes
# Damage

_NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_TOKENS = (
    *("nan", "inf", "-inf", "1e999", "-1", "0", "", " ", "NaN", "null", "true", "1_0", "0x1", "٣", "1,5"),
    *(
        '"',
        '""',
        "'",
        ",",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\ufeff",
        "\u2028",
        "[",
        "]",
        "{",
        "}",
        "[[",
        '{"a":',
    ),
    *(
        "9" * 400,
        "[" * 2000,
        "0." + "0" * 300 + "1",
        "dog",
        "label",
        "id",
        "prob_dog",
        "é",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ),
)


def damaged(data, rng, *, text, other):
    """The file with one to four wounds."""
    wounded = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not wounded:
            break
        _wound(wounded, rng, text=text, other=other)
    return bytes(wounded)


def _wound(data, rng, *, text, other):
    at = rng.randrange(len(data))
    end = min(len(data), at + rng.choice((1, 2, 4, 8, 16, 200)))
    kind = rng.randrange(12 if text else 8)
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[at] = rng.randrange(256)
    elif kind == 2:
        width = rng.choice((1, 2, 4, 8))
        number = rng.choice(_NUMBERS) % 256**width
        data[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
    elif kind == 3:
        del data[at:end]
    elif kind == 4:
        data[at:at] = data[at:end] * rng.choice((1, 2, 50))
    elif kind == 5:
        del data[at:]
    elif kind == 6:
        data[at:at] = rng.randbytes(rng.choice((1, 4, 64)))
    elif kind == 7:
        start = rng.randrange(len(other))
        data[at:end] = other[start : start + (end - at)]
    elif kind == 8:  # another digit: what is written stays a number
        digits = [place for place, byte in enumerate(data) if chr(byte).isdigit()]
        if digits:
            data[rng.choice(digits)] = ord("0") + rng.randrange(10)
    else:
        cells = list(re.finditer(rb"[^,\t\n:{}\[\]\"]+", data))
        cell = rng.choice(cells) if cells else None
        token = rng.choice(_TOKENS).encode("utf-8", "surrogatepass")
        if cell is None or kind == 9:
            data[at:at] = token
        else:
            data[cell.start() : cell.end()] = token


def case(name, number):
    """The suffix and the bytes of one case."""
    files = list(FORMATS[name]())
    rng = random.Random(f"{name} {number}")
    suffix, data = rng.choice(files)
    text = name in ("csv", "jsonl")
    other = rng.choice(files)[1]
    if suffix.endswith(".gz") and rng.random() < 0.7:
        return suffix, gzip.compress(damaged(gzip.decompress(data), rng, text=text, other=other), mtime=0)
    return suffix, damaged(data, rng, text=text, other=other)


# Reading, here and independently


def read(path, name):
    """What crossent reads: ids, labels and outputs; or a sentence."""
    from crossent import errors
    from crossent.comparison import compare_predictions
    from crossent.options import CompareOptions
    from crossent.predictions import Columns, open_sources
    from crossent.wording import visible

    labels = LABELS if name == "npy" else None
    columns = Columns(kind="logits") if name == "npy" else Columns()
    try:
        opened = open_sources([path], labels=labels, columns=columns)
        blocks = list(opened.blocks())
        comparison = compare_predictions(opened, CompareOptions(threads=1))
        str(comparison), comparison.to_json()
        from_the_middle(opened)
    except (errors.PredictionsError, errors.OptionError) as error:
        sentence = visible(str(error))  # as the command line prints it
        if len(sentence) > 1000:
            raise AssertionError(f"not one sentence: {sentence[:300]!r}") from error
        return sentence
    ids = [one for block in blocks if block.ids is not None for one in block.ids.to_pylist()]
    outputs = np.concatenate([block.outputs[0] for block in blocks])
    codes = np.concatenate([block.labels for block in blocks])
    return ids, [opened.classes[code] for code in codes] if codes.ndim == 1 else codes.tolist(), outputs


def from_the_middle(opened):
    """Rows that are read without those before them, as the workers of a cluster do, are the same rows."""
    for reader in opened.readers:
        if reader.table.ranged and reader.outputs:
            whole = np.concatenate([rows.outputs for rows in reader.rows(11)])
            first = len(whole) // 3
            span = range(first, len(whole))
            part = np.concatenate([rows.outputs for rows in reader.rows(7, span=span)])
            if not np.array_equal(part, whole[first:], equal_nan=True):
                raise AssertionError("other rows from the middle")


def independent(path, suffix):
    """Columns by name as another reader finds them, each a list; None where it finds none."""
    try:
        return _independent(path, suffix)
    except Exception:  # whatever another reader stumbles over
        return None


def _independent(path, suffix):
    if suffix.endswith(".gz"):
        data = gzip.decompress(path.read_bytes())
        suffix = suffix.removesuffix(".gz")
    else:
        data = path.read_bytes()
    if suffix in (".csv", ".tsv"):
        text = data.decode().removeprefix("\ufeff")
        rows = csv.reader(
            io.StringIO(text, newline=""), delimiter="," if suffix == ".csv" else "\t", strict=True
        )
        rows = [row for row in rows if row]
        names = [name.strip() for name in rows[0]]
        assert all(len(row) == len(names) for row in rows)
        return {name: [row[i] for row in rows[1:]] for i, name in enumerate(names)}
    if suffix == ".jsonl":
        rows = [json.loads(line) for line in data.decode().split("\n") if line.strip()]
        return {name: [row[name] for row in rows] for name in rows[0]}
    if suffix == ".npy":
        return {"logits": np.load(io.BytesIO(data), allow_pickle=False).tolist()}
    if suffix == ".npz":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {n.removesuffix(".npy"): archive.read(n) for n in archive.namelist()}
        return {n: np.load(io.BytesIO(v), allow_pickle=False).tolist() for n, v in arrays.items()}
    import pyarrow as pa
    import pyarrow.parquet as pq

    if suffix == ".parquet":
        table = pq.ParquetFile(io.BytesIO(data)).read()
    else:
        opened = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream
        table = opened(io.BytesIO(data)).read_all()
    table.validate(full=True)
    return {name: table[name].to_pylist() for name in table.column_names}


def differs(found, columns):
    """Why what was read is not what the file holds; None where it is, or where nobody else can read it."""
    if isinstance(found, str) or columns is None:
        return None
    ids, labels, outputs = found
    rows = max(map(len, columns.values()))
    if len(outputs) != rows:
        return f"{len(outputs)} rows were read of {rows}"
    theirs = columns.get("id", columns.get("ids"))
    if theirs is not None and ids not in ([str(one) for one in theirs], [str(one).strip() for one in theirs]):
        return "other ids"
    named = columns.get("label", columns.get("labels", []))
    by_name = all(isinstance(one, str) and not one.strip().isdigit() for one in [*named, *labels])
    if by_name and named and labels != [one.strip() for one in named]:
        return "other labels"
    given = next((columns[one] for one in ("probs", "logits") if one in columns), None)
    if given is None:
        per_class = [values for name, values in columns.items() if re.match("(prob|logit)_", name)]
        given = [[float(cell) for cell in row] for row in zip(*per_class, strict=True)]
    given = np.asarray(given, np.float64)
    if given.shape == outputs.shape and not np.array_equal(np.sort(given), np.sort(outputs)):
        return f"other outputs: {np.abs(np.sort(given) - np.sort(outputs)).max()}"
    return None


def check(name, number, folder):
    """One case, in this process: None, or what is wrong."""
    suffix, data = case(name, number)
    path = Path(folder) / f"case{suffix}"
    path.write_bytes(data)
    try:
        found = read(path, name)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    return differs(found, independent(path, suffix))


# Many cases, in a process that may die


def _serve(connection, folder):
    import crossent

    # what is loaded or compiled once is not part of a case: logits and probabilities, in columns of both types
    # and in lists
    check("csv", 0, folder)
    for number in range(8):
        check("parquet", number, folder)
    for kind, number in product(("prob", "logit"), (pa.float32(), pa.float64())):
        columns = {
            f"{kind}_{name}": pa.array(q, number) for name, q in (("a", [0.2, 0.4]), ("b", [0.8, 0.6]))
        }
        crossent.compare(pa.table({"label": ["a", "b"], **columns}))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
    connection.send(None)
    while True:
        name, number = connection.recv()
        connection.send(check(name, number, folder))


class Reader:
    """A process that reads cases, made anew when one has killed it."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.turns = 0

    def check(self, name, number):
        self.turns += 1
        if self.turns % TURNS == 0:
            self.close()
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs, self.folder), daemon=True)
            self.process.start()
            theirs.close()
            self.connection.recv()
        self.connection.send((name, number))
        try:
            if self.connection.poll(SECONDS):
                return self.connection.recv()
            wrong = f"took over {SECONDS} seconds"
        except EOFError:
            self.process.join()
            wrong = f"the process died: {self.process.exitcode}"
        self.close()
        return wrong

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None


def findings(name, numbers):
    """What is wrong with these cases: (number, what)."""
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(folder)
        try:
            for number in numbers:
                wrong = reader.check(name, number)
                if wrong is not None:
                    yield number, wrong
        finally:
            reader.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--case", type=int)
    given = parser.parse_args()
    if given.case is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(check(given.format, given.case, folder))
        return
    end, done = time.monotonic() + 60 * given.minutes, 0

    def numbers():
        nonlocal done
        while time.monotonic() < end:
            yield given.start + done
            done += 1

    for number, wrong in findings(given.format, numbers()):
        print(f"{given.format} {number}: {wrong}", flush=True)
    print(f"{given.format}: {done:,} cases in {given.minutes:g} minutes")


if __name__ == "__main__":
    main()
