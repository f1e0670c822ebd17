"""The page as text: what stands in it, what is harmless, what repeats, what it refuses. No browser."""

import base64
import io
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from crossent import CompareOptions, compare
from crossent.report.metrics import metrics_of
from full_disk import files_up_to
from golden_cases import CASES as GOLDEN
from golden_cases import worked_example
from report_cases import HOSTILE, hostile, ids_worst_first, photographs, two

ALLOWED = (
    "html head meta title style body a header main section p h1 h2 h3 h4 ul li div table caption colgroup col "
    "thead tbody tr th td data bdi figure figcaption details summary footer article strong span img "
    "svg g path line text rect circle desc defs clippath"
)


@cache
def golden_page(name):
    """A golden comparison with its page."""
    comparison = GOLDEN[name]()
    return comparison, Page(comparison.to_html())


class Page(HTMLParser):
    """Tags with their attributes, and texts, as a browser would find them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.drawn = []  # the words within charts
        self.within_a_line = False  # a span parts no words
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)
        self.within_a_line = tag == "span"

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass
        self.within_a_line = tag == "span"

    def handle_data(self, data):
        if "style" in self.open:
            return
        if self.open and self.open[-1] == "text":
            self.drawn.append(data)
        if self.within_a_line:
            self.texts[-1] += data
        else:
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def images_of(page):
    return [attributes for tag, attributes in Page(page).tags if tag == "img"]


def opened(attributes):
    """The picture in an img's data URI."""
    return Image.open(io.BytesIO(base64.b64decode(attributes["src"].partition(",")[2])))


@pytest.mark.parametrize("name", GOLDEN)
def test_every_kind_of_comparison_has_its_page(name):
    comparison, page = golden_page(name)
    assert {tag for tag, _ in page.tags} <= set(ALLOWED.split())
    assert " ".join(comparison.verdict.split()) in page.text
    assert str(comparison.signature) in page.text
    for warning in comparison.warnings:
        assert warning in page.text


@pytest.mark.parametrize("name", GOLDEN)
def test_no_id_comes_twice_and_every_reference_leads_somewhere(name):
    tags = golden_page(name)[1].tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        for key in ("aria-labelledby", "href", "clip-path"):
            for reference in re.sub(r"url\(#|\)|#", " ", attributes.get(key) or "").split():
                assert reference in ids


@pytest.mark.parametrize("make", [worked_example, two, hostile])
def test_nothing_runs_and_nothing_is_fetched(make):
    page = make().to_html()
    for tag, attributes in Page(page).tags:
        assert tag in ALLOWED.split()
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:image/"))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_names_are_text():
    comparison = hostile()
    for page in (Page(comparison.to_html()), Page(comparison._repr_html_())):
        assert "script" not in {tag for tag, _ in page.tags}
        assert "b" not in {tag for tag, _ in page.tags}
        assert HOSTILE[0] in page.text
        assert HOSTILE[1] in page.text
    page = Page(comparison.to_html())
    assert HOSTILE[6] in page.text
    assert HOSTILE[2] in page.text.replace(" ", "")
    assert r"a\u202eb\x00\x1b[31m" in page.text
    assert "\u202e" not in page.text
    assert "{{ 7*7 }}" in page.text


def test_two_runs_give_the_same_bytes():
    code = (
        "import sys; sys.path.insert(0, 'tests'); from report_cases import two; "
        "import hashlib; print(hashlib.sha256(two().to_html().encode()).hexdigest())"
    )
    root = Path(__file__).parents[1]
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_one_process_repeats_itself():
    comparison = two()
    assert comparison.to_html() == comparison.to_html()


def test_two_models_ten_classes_and_twenty_pictures_fit_in_2_mb(tmp_path):
    page = photographs(tmp_path).to_html(images=tmp_path)
    assert len(images_of(page)) == 20
    assert len(page.encode()) < 2_000_000
    assert len(two().to_html().encode()) < 2_000_000


def test_the_numbers_of_the_table_are_those_of_the_json():
    comparison = two()
    found = json.loads(comparison.to_json())
    page = Page(comparison.to_html())
    values = {float(attributes["value"]) for tag, attributes in page.tags if tag == "data"}
    for model in found["models"]:
        for measure in ("classification_error", "squared_error", "cross_entropy"):
            assert model[measure]["value"] in values
        assert model["temperature"]["value"] in values
    for measure in ("classification_error", "squared_error", "cross_entropy"):
        assert found["pairs"][0][measure]["difference"] in values
    for part in found["pairs"][0]["gap"].values():
        assert part["contribution"] in values
    for one in found["slices"]:
        for losses in one["models"]:
            assert losses["cross_entropy"]["value"] in values
    for model in found["models"]:
        assert {float(count) for row in model["confusion"] for count in row} <= values


# Files


def test_the_page_is_written_whole(tmp_path):
    page = worked_example().to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def command(*arguments, cwd, full_after=None):
    line = [sys.executable, "-m", "crossent", "compare", *map(str, arguments)]
    done = subprocess.run(
        line if full_after is None else files_up_to(full_after, *line),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def worked(tmp_path):
    for name, rows in (("NN1", "0.9,0.1 0.1,0.9 0.4,0.6"), ("NN2", "0.6,0.4 0.3,0.7 0.1,0.9")):
        lines = [
            f"{i},{label},{q}"
            for i, (label, q) in enumerate(zip(("dog", "cat", "dog"), rows.split(), strict=True), 1)
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,label,prob_dog,prob_cat", *lines]) + "\n")
    return tmp_path


def test_the_command_writes_it_beside_the_table(worked):
    code, out, err = command("NN1.csv", "NN2.csv", "--report", "report.html", cwd=worked)
    assert (code, err) == (0, "")
    assert out.startswith("3 examples")
    text = Page((worked / "report.html").read_text(encoding="utf-8")).text
    assert "NN2 is more wrong: on 3 of 3 examples, cross-entropy 1.06 against 0.38" in text
    assert "bring at least 20 to say something about others" in text
    assert "NN1.csv" in text


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--report", "no/such/report.html"], 1, "crossent: no/such: no such folder\n"),
        (["--report", "folder"], 1, "crossent: folder: it is a folder; name a file in it\n"),
        (["--images", "folder"], 2, "crossent: --images is for the report: add --report FILE\n"),
        (["--report", "r.html", "--images", "nowhere"], 1, "crossent: nowhere: no such folder\n"),
        (["--report", "NN1.csv"], 1, "crossent: NN1.csv: it is one of the sources; name another file\n"),
        (["--report", "l.csv"], 1, "crossent: l.csv: it is one of the sources; name another file\n"),
        (["--report", "x" * 300], 1, f"crossent: {'x' * 300}: File name too long\n"),
    ],
)
def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(worked, arguments, code, sentence):
    (worked / "folder").mkdir()
    (worked / "l.csv").symlink_to("NN2.csv")
    before = contents(worked)
    assert command("NN1.csv", "second=NN2.csv", *arguments, cwd=worked) == (code, "", sentence)
    assert contents(worked) == before


def test_a_disk_that_is_full_half_way_leaves_the_old_page(worked):
    (worked / "report.html").write_text("old")
    before = contents(worked)
    done = command("NN1.csv", "NN2.csv", "--report", "report.html", cwd=worked, full_after=4096)
    assert done == (1, "", "crossent: report.html: File too large\n")
    assert contents(worked) == before


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_or_a_device_is_written_to_and_stays_what_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    page = worked_example().to_html(pipe)
    assert reader.communicate()[0] == page.encode()
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_page_that_fails_half_way_leaves_the_old_one(tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        worked_example().to_html(tmp_path / "report.html", images=tmp_path / "nowhere")
    assert (tmp_path / "report.html").read_text() == "old"


def test_without_a_report_nothing_is_loaded_that_draws(worked):
    code = (
        "import sys; from crossent.__main__ import main; sys.argv = ['crossent', 'compare', 'NN1.csv', 'NN2.csv']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('altair', 'jinja2', 'vl_convert', 'PIL', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=worked, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")


# The gallery


def test_ids_are_paths_below_the_folder(tmp_path):
    comparison = photographs(tmp_path)
    shown = images_of(comparison.to_html(images=tmp_path))
    assert [one["alt"] for one in shown] == [f"The image of {name}" for name in ids_worst_first(comparison)]
    assert {opened(one).format for one in shown} == {"JPEG"}
    assert {max(opened(one).size) for one in shown} == {192}


def test_without_images_there_is_no_place_for_them(tmp_path):
    page = two().to_html()
    assert not images_of(page)
    assert "placeholder" not in page.replace(".placeholder", "")


def broken_in_every_way(folder, names):
    """Replace images by what cannot be shown, one after the other; the reason that each one should give."""
    reasons = {}
    folder = Path(folder)

    def break_next(reason):
        name = names[len(reasons)]
        (folder / name).unlink()
        reasons[name] = reason
        return folder / name

    break_next("no image found")
    break_next("image broken").write_bytes(b"no image at all")
    break_next("image broken").write_bytes(b"")
    cut = (folder / names[-1]).read_bytes()[:2000]
    break_next("image broken").write_bytes(cut)
    outside = folder.parent / "outside.jpg"
    Image.new("RGB", (8, 8)).save(outside)
    break_next("no image found").symlink_to(outside)
    break_next("no image found").mkdir()
    size = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + size + struct.pack(">I", zlib.crc32(size))
    break_next("image too large to open").write_bytes(bomb + struct.pack(">I", 0) + b"IDAT")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    break_next("image broken").write_bytes(script)
    return reasons


def test_what_cannot_be_shown_says_so_and_is_counted(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    comparison = photographs(folder)
    names = ids_worst_first(comparison)
    reasons = broken_in_every_way(folder, names)
    page = comparison.to_html(images=folder)
    assert len(images_of(page)) == len(names) - len(reasons)
    text = Page(page).text
    for name, reason in reasons.items():
        assert re.search(rf"{reason} {re.escape(name)}", text), name
    assert "no image found: 3 of the 20 examples below" in text
    assert "image broken: 4 of the 20 examples below" in text
    assert "image too large to open: 1 of the 20 examples below" in text


@pytest.mark.parametrize(
    "name", ["../outside.png", "/etc/hostname", "a\0b", "x" * 5000, "", ".", "down/../../outside.png"]
)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    folder = tmp_path / "images"
    (folder / "down").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "outside.png")
    comparison = with_images([name or " ", "b", "c"])
    assert not images_of(comparison.to_html(images=folder))


def with_images(images, **more):
    q = {"NN1": [[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]], "NN2": [[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]}
    first = {
        "id": ["1", "2", "3"],
        "probs": q["NN1"],
        "label": ["dog", "cat", "dog"],
        "image": images,
        **more,
    }
    second = {"id": ["3", "2", "1"], "probs": q["NN2"][::-1]}
    return compare({"NN1": first, "NN2": second}, classes=["dog", "cat"])


def dot(colour):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


COLOURS = ("red", "lime", "blue")


def colours_shown(comparison, **options):
    """Which colour each id has."""
    return {
        one["alt"].removeprefix("The image of "): opened(one).convert("RGB").getpixel((0, 0))
        for one in images_of(comparison.to_html(**options))
    }


RIGHT = {"1": (255, 0, 0), "2": (0, 255, 0), "3": (0, 0, 255)}


def test_a_column_of_bytes():
    assert colours_shown(with_images([dot(colour) for colour in COLOURS])) == RIGHT


def test_a_column_of_structs_as_hugging_face_writes_them(tmp_path):
    images = [{"bytes": dot(colour), "path": "x.png"} for colour in COLOURS]
    table = pa.table(
        {
            "id": ["3", "1", "2"],
            "probs": [[0.4, 0.6], [0.9, 0.1], [0.1, 0.9]],
            "label": ["dog", "dog", "cat"],
            "image": [images[2], images[0], images[1]],
        }
    )
    pq.write_table(table, tmp_path / "nn1.parquet")
    second = {"id": ["1", "2", "3"], "probs": [[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]}
    comparison = compare({"NN2": second, "NN1": tmp_path / "nn1.parquet"}, classes=["dog", "cat"])
    assert colours_shown(comparison) == RIGHT


def test_a_column_of_paths_in_a_csv_is_read_beside_it(tmp_path):
    for colour in COLOURS:
        (tmp_path / f"{colour}.png").write_bytes(dot(colour))
    (tmp_path / "nn1.csv").write_text(
        "label,prob_dog,prob_cat,image\ndog,.9,.1,red.png\ncat,.1,.9,lime.png\ndog,.4,.6,blue.png\n"
    )
    (tmp_path / "nn2.csv").write_text("label,prob_dog,prob_cat\ndog,.6,.4\ncat,.3,.7\ndog,.1,.9\n")
    comparison = compare([tmp_path / "nn1.csv", tmp_path / "nn2.csv"])
    shown = colours_shown(comparison)
    assert shown == {f"row {name}": colour for name, colour in RIGHT.items()}


def test_an_array_of_pixels(tmp_path):
    pixels = np.stack([np.asarray(Image.new("RGB", (8, 8), colour)) for colour in COLOURS])
    probs = np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    np.savez(tmp_path / "nn1.npz", probs=probs, labels=np.array([0, 1, 0]), images=pixels)
    np.savez(tmp_path / "nn2.npz", probs=probs[:, ::-1] * 0.2 + probs * 0.8)
    comparison = compare([tmp_path / "nn1.npz", tmp_path / "nn2.npz"], classes=["dog", "cat"])
    assert colours_shown(comparison) == {f"row {name}": colour for name, colour in RIGHT.items()}


def test_images_beyond_the_first_batch_are_found():
    rows = 1_000
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 2, rows), rng.normal(size=(2, rows, 2))
    images = [dot((row % 256, row // 256, 7)) for row in range(rows)]
    comparison = compare(
        {"a": {"logits": logits[0], "label": labels, "image": images}, "b": {"logits": logits[1]}},
        classes=["dog", "cat"],
    )
    shown = colours_shown(comparison)
    assert len(shown) == 20
    for name, colour in shown.items():
        row = int(name.removeprefix("row ").replace(",", "")) - 1
        assert colour == (row % 256, row // 256, 7)


def test_a_turned_photograph_stands_upright_and_says_nothing_of_its_place():
    turned = Image.new("RGB", (300, 100), "red")
    exif = turned.getexif()
    exif[0x0112] = 6  # turned to the right
    exif[0x010E] = "at home"
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=exif)
    comparison = with_images([file.getvalue(), dot("lime"), dot("blue")])
    found = {one["alt"]: one for one in images_of(comparison.to_html())}["The image of 1"]
    picture = opened(found)
    assert picture.size == (64, 192)
    assert (int(found["width"]), int(found["height"])) == picture.size
    assert not picture.getexif()
    assert b"at home" not in base64.b64decode(found["src"].partition(",")[2])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_of_an_image_is_shown(mode):
    file = io.BytesIO()
    Image.new(mode, (100, 80)).save(file, "TIFF" if mode in ("CMYK", "F") else "PNG")
    shown = images_of(with_images([file.getvalue(), dot("lime"), dot("blue")]).to_html())
    assert len(shown) == 3


def test_of_more_than_two_models_the_chart_by_class_says_its_numbers():
    comparison, page = golden_page("three_models")
    classes = [one for one in comparison.slices if one.of == "class"]
    assert len(classes) == 3
    for measure in ("cross_entropy", "classification_error"):
        for one in classes:
            for losses in one.models:
                assert f"{getattr(losses, measure).value:.2f}" in page.drawn
    assert set(comparison.models) <= set(page.drawn)


def test_the_gallery_shows_label_probabilities_and_losses():
    comparison = two()
    text = Page(comparison.to_html()).text
    for example in (*comparison.pairs[0].b_worse[:10], *comparison.pairs[0].a_worse[:10]):
        block = text[text.index(f" {example.id} label") :][:600]
        assert f"label {comparison.classes[example.label]}" in block.replace("  ", " ")
        for output in example.outputs:
            assert f"{output.cross_entropy:.3f}" in block


def test_the_kept_classes_are_the_label_and_the_most_probable():
    comparison = two()
    for example in comparison.pairs[0].b_worse:
        assert example.label in example.likely
        for output in example.outputs:
            assert output.predicted in example.likely
            assert len(output.likely) == len(example.likely)
            assert output.likely[example.likely.index(example.label)] == output.of_label
            assert max(output.likely) == output.likely[example.likely.index(output.predicted)]


# Half of the gap


def test_the_marked_examples_are_those_that_make_half_of_the_gap():
    comparison = two()
    pair, drawn = comparison.pairs[0], comparison.drawn
    a, b = drawn.cross_entropy
    assert list(drawn.rows) == list(range(400))
    assert (b - a).mean() == pytest.approx(pair.cross_entropy.difference, rel=1e-12)
    beyond = (b - a) >= drawn.half_from[0]
    assert beyond.sum() == pair.half_of_gap
    assert (b - a)[beyond].sum() >= (b - a).sum() / 2
    assert np.sort((b - a)[beyond])[1:].sum() < (b - a).sum() / 2


def test_the_other_direction_is_marked_on_the_other_side():
    forth = two()
    sources = {"bad": 1, "good": 0}
    assert forth.drawn.half_from[0] > 0
    labels = np.arange(100) % 2
    good = np.where(labels[:, None] == [0, 1], 3.0, 0.0) + np.linspace(0, 1, 100)[:, None] * [1, 0]
    back = compare(
        {name: good * (1 - 2 * (name == "bad")) for name in sources},
        labels=labels,
        classes=["a", "b"],
        kind="logits",
    )
    assert back.pairs[0].half_of_gap is not None
    a, b = back.drawn.cross_entropy
    assert back.drawn.half_from[0] < 0
    assert ((b - a) <= back.drawn.half_from[0]).sum() >= back.pairs[0].half_of_gap


def test_nothing_is_marked_with_weights_or_where_undecided():
    weighted = compare(
        {
            "a": {"logits": np.eye(2)[[0, 1] * 50] * 3, "label": [0, 1] * 50, "w": [1.0, 2.0] * 50},
            "b": {"logits": np.eye(2)[[1, 0] * 50]},
        },
        classes=["x", "y"],
        options=CompareOptions(weight="w"),
    )
    assert weighted.drawn.half_from == (None,)
    assert worked_example().drawn.half_from == (None,)


# Learning curves


METRICS = """epoch,step,seconds,learning_rate,train_loss,train_accuracy,validation_loss,validation_classification_error,validation_squared_error,validation_cross_entropy
1,10,1.5,0.1,0.9,0.5,0.8,0.4,0.5,0.81
2,20,3.0,0.1,0.5,0.8,0.6,0.3,0.4,0.61
3,30,4.5,0.1,0.2,0.9,0.7,0.35,0.45,0.72
"""


def run_folder(folder, metrics):
    folder.mkdir()
    table = pa.table({"label": ["dog", "cat"], "prob_dog": [0.9, 0.2], "prob_cat": [0.1, 0.8]})
    pq.write_table(table, folder / "predictions.parquet")
    (folder / "metrics.csv").write_text(metrics)
    return folder / "predictions.parquet"


def test_a_run_with_metrics_has_its_learning_curves(tmp_path):
    comparison = compare([run_folder(tmp_path / "run", METRICS)])
    text = Page(comparison.to_html()).text
    assert "Loss of predictions, by epoch" in text
    assert "validation is lowest, 0.61, at epoch 2" in text
    assert "validation is lowest, 0.3, at epoch 2" in text


@pytest.mark.parametrize(
    "metrics",
    [
        "",
        "epoch\n",
        "no,columns\n1,2\n",
        "epoch,train_loss\n1,nan\n2,inf\n",
        "epoch\n1\n",
        "\0\0\0",
        "epoch,train_loss\nx,1\n",
    ],
)
def test_metrics_that_say_nothing_are_left_out(tmp_path, metrics):
    comparison = compare([run_folder(tmp_path / "run", metrics)])
    assert "by epoch" not in Page(comparison.to_html()).text


def test_columns_that_are_absent_or_unknown_do_no_harm(tmp_path):
    run_folder(tmp_path / "run", "epoch,validation_cross_entropy,other\n1,0.5,x\n2,,y\n3,0.25\n")
    found = metrics_of(str(tmp_path / "run"))
    assert found.epochs == (1, 2, 3)
    assert found.of("validation_cross_entropy") == (0.5, None, 0.25)
    assert found.of("train_loss") == (None, None, None)
    assert metrics_of(str(tmp_path / "run" / "predictions.parquet")) == found
    assert metrics_of(str(tmp_path / "nowhere")) is None


# Notebooks


def test_a_notebook_shows_the_verdict_and_the_table():
    part = worked_example()._repr_html_()
    text = Page(part).text
    assert "NN2 is more wrong" in text
    assert "always the same" in text
    assert "<style" not in part
    assert "<html" not in part


def test_the_report_stands_on_a_frozen_comparison():
    comparison = replace(worked_example(), warnings=("a <b>warning</b>",))
    assert "a <b>warning</b>" in Page(comparison.to_html()).text
