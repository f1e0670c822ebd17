"""Text on a file system that is written in Python; no thread of PyArrow's may call Python for it.

One that does, and is given up, hangs or aborts a process that is about to end, now and then.
"""

import gzip
import os
import re
import threading

import fsspec
import pyarrow as pa
import pyarrow.csv
import pytest
from fsspec.implementations.memory import MemoryFile
from pyarrow.fs import FSSpecHandler, PyFileSystem

from crossent import CompareOptions, PredictionsError, compare
from predictions_files import NN1, csv_text

SUFFIXES = [".csv", ".csv.gz"]


@pytest.fixture
def system():
    """A file system of Python's, empty."""
    fsspec.filesystem("memory").store.clear()
    return PyFileSystem(FSSpecHandler(fsspec.filesystem("memory")))


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def put(system, suffix, text):
    """A file of that text, in memory, and its bytes."""
    data = gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode()
    with system.open_output_stream(f"/nn1{suffix}", compression=None) as out:
        out.write(data)
    return data


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_as_from_a_disk(suffix, system, scratch):
    data = put(system, suffix, csv_text(NN1))
    found = compare([f"/nn1{suffix}"], options=CompareOptions(filesystem=system))
    assert os.listdir(scratch) == []
    (scratch / f"nn1{suffix}").write_bytes(data)
    assert found.to_json() == compare([scratch / f"nn1{suffix}"]).to_json()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_messages_name_the_file_and_not_its_copy(suffix, system, scratch):
    put(system, suffix, csv_text(NN1) + "1,dog,0.5\n")
    sentence = f"/nn1{suffix}, row 4: 3 columns, but the header has 4; mend the row"
    with pytest.raises(PredictionsError, match=f"^{re.escape(sentence)}"):
        compare([f"/nn1{suffix}"], options=CompareOptions(filesystem=system))
    assert os.listdir(scratch) == []


def test_a_file_system_that_breaks_down(system, scratch, monkeypatch):
    put(system, ".csv", csv_text(NN1))

    def broken(file, count):
        if file.tell():
            raise OSError("the line is dead")
        return file.getbuffer()[: file.seek(count)]

    monkeypatch.setattr(MemoryFile, "read", broken)
    with pytest.raises(PredictionsError, match=r"^/nn1\.csv is damaged, or changed .*the line is dead"):
        compare(["/nn1.csv"], options=CompareOptions(filesystem=system))
    assert os.listdir(scratch) == []


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".jsonl", ".jsonl.gz"])
def test_only_our_threads_read_from_python(suffix, system, monkeypatch):
    json = '{"label": "a", "prob_a": 0.5, "prob_b": 0.5}\n' * 3
    put(system, suffix, csv_text(NN1) if suffix in SUFFIXES else json)
    readers, real = [], MemoryFile.read
    monkeypatch.setattr(
        MemoryFile, "read", lambda *given: readers.append(threading.current_thread()) or real(*given)
    )
    compare([f"/nn1{suffix}"], options=CompareOptions(filesystem=system))
    assert readers
    assert not any(isinstance(thread, threading._DummyThread) for thread in readers)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pyarrow_reads_no_file_of_python(suffix, system, scratch, monkeypatch):
    streams, real = [], pa.csv.open_csv
    monkeypatch.setattr(pa.csv, "open_csv", lambda *given: streams.append(given[0]) or real(*given))
    (scratch / f"nn1{suffix}").write_bytes(put(system, suffix, csv_text(NN1)))
    compare([scratch / f"nn1{suffix}"])
    assert streams
    assert not any(isinstance(stream, pa.PythonFile) for stream in streams)
