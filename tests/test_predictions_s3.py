"""Sources on other file systems: S3, spoken to a server on this machine, and whatever else PyArrow knows."""

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

from crossent import CompareOptions, PredictionsError, compare
from predictions_files import FORMATS

ROWS = 300
RNG = np.random.default_rng(8)
LABELS = RNG.integers(0, 3, ROWS)
CLASSES = ("dog", "cat", "fox")
IDS = [f"image {row:03}" for row in range(ROWS)]
Q = RNG.dirichlet([1, 1, 1], ROWS)
OTHER = RNG.dirichlet([1, 1, 1], ROWS)
SECRET = "nobody-may-read-this"


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"{host}:{port}"
    running.stop()


@pytest.fixture(scope="module")
def bucket(server):
    """The client, and how an address begins and ends."""
    client = boto3.client(
        "s3", endpoint_url=f"http://{server}", region_name="us-east-1",
        aws_access_key_id="me", aws_secret_access_key=SECRET,
    )  # fmt: skip
    client.create_bucket(Bucket="models")
    return client, f"s3://me:{SECRET}@models/", f"?endpoint_override={server}&scheme=http&region=us-east-1"


@pytest.fixture(scope="module")
def system(server):
    return fs.S3FileSystem(
        access_key="me", secret_key=SECRET, endpoint_override=server, scheme="http", region="us-east-1"
    )


def table(q):
    return pa.table({"id": IDS, "label": LABELS, **{f"prob_{n}": q[:, j] for j, n in enumerate(CLASSES)}})


def put(client, name, q, *, rows=slice(None), folder):
    path = folder / "written.parquet"
    start, stop, _ = rows.indices(ROWS)
    pq.write_table(table(q).slice(start, stop - start), path, row_group_size=31)
    client.upload_file(str(path), "models", name)
    return path


@pytest.mark.parametrize("name", [n for n in FORMATS if n.split()[0] in ("parquet", "csv.gz", "tsv", "npz")])
def test_every_format_on_s3_gives_what_the_local_file_gives(name, bucket, system, tmp_path):
    client, start, end = bucket
    path = FORMATS[name](tmp_path, "nn1", Q, "prob", IDS, LABELS, CLASSES)
    client.upload_file(str(path), "models", f"formats/{path.name}")
    expected = compare({"m": path}).to_json()
    assert compare({"m": f"{start}formats/{path.name}{end}"}).to_json() == expected
    on_it = CompareOptions(filesystem=system)
    assert compare({"m": f"models/formats/{path.name}"}, options=on_it).to_json() == expected
    assert list(compare([f"models/formats/{path.name}"], options=on_it).models) == ["nn1"]


def test_arrow_files_and_json_lines_on_s3(bucket, tmp_path):
    client, start, end = bucket
    for suffix, stream in ((".arrow", False), (".feather", True), (".jsonl", None)):
        path = tmp_path / f"nn1{suffix}"
        if stream is None:
            path.write_text(table(Q).to_pandas().to_json(orient="records", lines=True, double_precision=15))
        else:
            with (pa.ipc.new_stream if stream else pa.ipc.new_file)(str(path), table(Q).schema) as out:
                out.write_table(table(Q), max_chunksize=40)
        client.upload_file(str(path), "models", path.name)
        assert compare({"m": f"{start}{path.name}{end}"}).to_json() == compare({"m": path}).to_json()


def test_folders_patterns_seeds_and_labels_on_s3(bucket, system, tmp_path):
    client, start, end = bucket
    for number, rows in enumerate((slice(0, 10), slice(10, 200), slice(200, ROWS))):
        put(client, f"nn1/part-{number}.parquet", Q, rows=rows, folder=tmp_path)
    client.put_object(Bucket="models", Key="nn1/_SUCCESS", Body=b"")
    for seed, q in ((1, Q), (2, OTHER)):
        path = put(client, f"ce/seed-{seed}/predictions.parquet", q, folder=tmp_path)
    whole = put(client, "whole.parquet", Q, folder=tmp_path)
    expected = compare({"m": whole}).to_json()
    assert compare({"m": f"{start}nn1{end}"}).to_json() == expected
    assert compare({"m": f"{start}nn1/part-*.parquet{end}"}).to_json() == expected
    assert compare({"m": f"{start}nn*/part-?.parquet".replace("?", "*") + end}).to_json() == expected
    on_it = CompareOptions(filesystem=system)
    assert compare({"m": "models/nn1/part-[012].parquet"}, options=on_it).to_json() == expected
    assert compare({"m": "models/whole.parquet"}, labels="models/nn1", options=on_it).to_json() == expected
    assert list(compare([f"{start}nn1{end}", f"{start}ce{end}"]).models) == ["nn1", "ce"]
    assert compare(["models/ce"], options=on_it).models["ce"].seeds.runs == ("seed-1", "seed-2")
    assert path


def test_what_stands_in_another_order_is_joined_from_s3(bucket, tmp_path):
    client, start, end = bucket
    put(client, "a.parquet", Q, folder=tmp_path)
    path = tmp_path / "b.parquet"
    pq.write_table(table(Q).take(RNG.permutation(ROWS)), path)
    client.upload_file(str(path), "models", "b.parquet")
    assert compare([f"{start}a.parquet{end}", f"{start}b.parquet{end}"]).pairs[0].identical


def refused(*sources, **options):
    with pytest.raises(PredictionsError) as error:
        compare(list(sources), options=CompareOptions(**options))
    assert SECRET not in str(error.value)
    return str(error.value)


def test_what_is_not_there(bucket, system):
    _, start, end = bucket
    assert refused(f"{start}none.parquet{end}") == "s3://models/none.parquet: no such file"
    assert refused("models/none.parquet", filesystem=system) == "models/none.parquet: no such file"
    assert refused(f"{start}none/*.parquet{end}").startswith("s3://models/none")
    assert refused(f"s3://me:{SECRET}@nobucket/a.parquet{end}").startswith("s3://nobucket/a.parquet")
    closed = "?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    assert "s3://models/a.parquet cannot be read (" in refused(f"{start}a.parquet{closed}")


def test_no_secret_leaves_the_address(bucket, tmp_path):
    client, start, end = bucket
    put(client, "whole.parquet", Q, folder=tmp_path)
    found = compare([f"{start}whole.parquet{end}"])
    assert found.sources[0].origin == "s3://models/whole.parquet"
    for text in (found.to_json(), found.to_html(), str(found), repr(found.sources), repr(found.options)):
        assert SECRET not in text


def test_an_object_that_is_replaced_while_it_is_read(bucket, system, tmp_path):
    client, _, _ = bucket
    put(client, "moving.parquet", Q, folder=tmp_path)
    from crossent.predictions import open_sources

    opened = open_sources(["models/moving.parquet"], filesystem=system)
    put(client, "moving.parquet", Q, rows=slice(0, 200), folder=tmp_path)
    with pytest.raises(
        PredictionsError, match=r"^models/moving.parquet was changed or replaced while it was read, from "
    ):
        list(opened.blocks())
