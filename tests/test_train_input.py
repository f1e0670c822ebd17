"""What training reads, in every layout, and what it says of images and folders that are wrong."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("lightning")
pytest.importorskip("datasets")

from typer.testing import CliRunner

import crossent
from crossent.cli import app
from crossent.train import TrainOptions, fit, store
from crossent.train.augment import view
from crossent.train.images import MIDDLE, SIDE, UnreadableImageError, decoding, pixels
from crossent.train.listing import class_in, listed
from crossent.train.store import stored
from full_disk import files_up_to
from train_pictures import picture, pictures

COMMAND = [sys.executable, "-m", "crossent"]


def read(source, folder, *, task="classification", class_from_name=False):
    """The data, and what was said of them."""
    folder.mkdir(exist_ok=True)
    said = []
    return stored(listed(source, task=task, class_from_name=class_from_name), folder, said.append), said


def run(*arguments):
    """The command in this process: code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


# Layouts


def test_train_and_test_folders(tmp_path):
    data, said = read(pictures(tmp_path / "photos"), tmp_path / "run")
    assert said == []
    assert data.classes == ("cat", "dog")
    assert data.images.shape == (64, SIDE, SIDE, 3)
    assert isinstance(data.images, np.memmap)
    for part, count in (("test", 16), ("train", None), ("validation", None)):
        rows = data.rows(part)
        assert count in (None, len(rows))
        assert set(data.labels[rows]) == {0, 1}
        for row in rows:
            where, name = ("test" if part == "test" else "train"), data.classes[data.labels[row]]
            assert data.ids[row].startswith(f"{where}/{name}/{name}.")


def test_a_flat_folder_holds_out_a_share_by_content(tmp_path):
    photos = pictures(tmp_path / "photos", train=60, test=0)
    data, _ = read(photos, tmp_path / "run")
    assert 12 <= len(data.rows("test")) <= 40  # 20 % of 120
    assert 4 <= len(data.rows("validation")) <= 22
    before = {id: part for id, part in zip(data.ids, data.parts, strict=True)}
    (photos / "cat" / "cat.0.png").rename(photos / "cat" / "test_3.png")
    for number in range(60, 70):
        picture(0, np.random.default_rng(number)).save(photos / "cat" / f"cat.{number}.png")
    again, _ = read(photos, tmp_path / "again")
    after = {id: part for id, part in zip(again.ids, again.parts, strict=True)}
    assert all(after[id.replace("cat.0.png", "test_3.png")] == part for id, part in before.items())


def test_classes_from_names(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for number in range(25):
            picture(0.5, rng).save(photos / f"{name}.{number}.png")
    data, _ = read(photos, tmp_path / "run", class_from_name=True)
    assert data.classes == ("cat", "dog")
    with pytest.raises(
        crossent.TrainingError, match=r"lies in no folder of a class: .*add --class-from-name"
    ):
        listed(photos, task="classification", class_from_name=False)
    picture(0.5, rng).save(photos / "12.png")
    with pytest.raises(crossent.TrainingError, match=r"'12\.png' names no class"):
        listed(photos, task="classification", class_from_name=True)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("dog.12.jpg", "dog"),
        ("dog_12.jpg", "dog"),
        ("dog12.jpg", "dog"),
        ("big dog (12).jpg", "big dog"),
        ("dog-2.jpg", "dog"),
        ("dog.jpg", None),
        ("12.jpg", None),
    ],
)
def test_the_class_in_a_name(name, found):
    assert class_in(Path(name)) == found


# Images


def decoded(path):
    with decoding():
        return pixels(path)


def test_orientation_is_applied(tmp_path):
    values = np.zeros((60, 40, 3), np.uint8)
    values[:20] = 255  # white on top
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(values).save(tmp_path / "turned.png", exif=exif)
    found = decoded(tmp_path / "turned.png")
    assert found[:, -10:].min() > 240  # white on the right
    assert found[:, :10].max() < 15


@pytest.mark.parametrize("turned", [False, True])
def test_of_a_long_photograph_as_much_is_kept_as_there_is_room_for(tmp_path, turned):
    values = np.zeros((96, 300), np.uint8)
    values[:] = np.arange(300) * 0.8  # lighter to the right
    values[:10] = 255  # white on top
    Image.fromarray(values.T if turned else values).save(tmp_path / "long.png")
    found = decoded(tmp_path / "long.png")[:, :, 0].astype(int)
    found = found.T if turned else found
    edge = (SIDE - MIDDLE) // 2
    np.testing.assert_allclose(found[60], values[50, 86 : 86 + SIDE], atol=1)
    assert (found[edge : edge + 9] == 255).all()
    np.testing.assert_array_equal(found[:edge], found[edge : 2 * edge][::-1])  # a reflection
    np.testing.assert_array_equal(found[-edge:], found[-2 * edge : -edge][::-1])


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (95, 97)])
def test_any_size(tmp_path, size):
    Image.new("RGB", size, (10, 200, 90)).save(tmp_path / "plain.png")
    found = decoded(tmp_path / "plain.png")
    assert found.shape == (SIDE, SIDE, 3)
    assert (found == (10, 200, 90)).all()


def test_views_show_the_middle_and_the_ends():
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, :, 0] = np.arange(SIDE)  # how far to the right
    image[:, :, 1] = np.arange(SIDE)[:, None]  # how far down

    def seen(share, across, down):
        found = view(torch.from_numpy(image)[None], 48, share, across, down)[0]
        return ((found[:2] + 2) * 63.75).mean((1, 2)).round().tolist()  # the centre's place

    assert seen(1.0, 0, 0) == seen(0.5, 0, 0) == [64, 64]
    assert seen(1.0, -1, 0) == [48, 64]
    assert seen(1.0, 1, 0) == [80, 64]
    assert seen(1.0, 0, 1) == [64, 80]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"])
def test_any_mode(mode, tmp_path):
    gray = np.full((50, 70), 128, np.uint8)
    if mode == "I;16":
        image = Image.fromarray(gray.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(gray.astype(np.float32))
    else:
        image = Image.fromarray(gray).convert(mode)
    image.save(tmp_path / "gray.tiff")
    found = decoded(tmp_path / "gray.tiff")
    assert found.shape == (SIDE, SIDE, 3)
    if mode != "1":
        assert np.abs(found.astype(int) - 128).max() <= 3


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert decoded(tmp_path / "clear.png").min() == 255


def huge_png(path, side):
    """A PNG that says it is this large, and holds next to nothing."""
    import zlib

    def chunk(kind, content):
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def test_images_that_cannot_be_read_say_why(tmp_path):
    huge_png(tmp_path / "huge.png", 10_000)  # 100 megapixels
    huge_png(tmp_path / "bomb.png", 100_000)
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    picture(0.5, np.random.default_rng(0)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:700])
    for name, why in (
        ("huge.png", "more than Pillow's limit of 89 megapixels"),
        ("bomb.png", "more than Pillow's limit of 89 megapixels"),
        ("text.jpg", "no image in a format that Pillow knows"),
        ("empty.jpg", "the file is empty"),
        ("photo.heic", r"HEIC needs its extra: pip install 'crossent\[heic\]'"),
        ("cut.jpg", "damaged"),
        ("absent.jpg", "No such file"),
    ):
        with pytest.raises(UnreadableImageError, match=why):
            decoded(tmp_path / name)


def test_few_unreadable_images_are_listed_and_left_out(tmp_path):
    photos = pictures(tmp_path / "photos", train=100, test=20)
    (photos / "train" / "cat" / "cat.7.png").write_bytes(b"damaged")
    (photos / "train" / "dog" / "dog.heic").write_bytes(b"\0\0\0\x18ftypheic")
    data, said = read(photos, tmp_path / "run")
    assert len(data.ids) == 239
    assert [line.partition(": ")[0] for line in said] == ["left out"] * 2
    assert "cat.7.png: no image in a format that Pillow knows" in said[0]
    assert "dog.heic: HEIC needs its extra" in said[1]


def test_many_unreadable_images_are_an_error(tmp_path):
    photos = pictures(tmp_path / "photos")
    (photos / "train" / "cat" / "cat.7.png").write_bytes(b"damaged")
    with pytest.raises(crossent.TrainingError, match="1 of 64 images cannot be read, more than 1 %"):
        read(photos, tmp_path / "run")
    assert not (tmp_path / "run" / store.PIXELS).exists()


def test_the_same_picture_in_train_and_test_is_listed(tmp_path):
    photos = pictures(tmp_path / "photos")
    shutil.copy(photos / "train" / "cat" / "cat.3.png", photos / "test" / "cat" / "cat.900.png")
    _, said = read(photos, tmp_path / "run")
    assert said == [
        "warning: 1 picture of the test is in train too: the test flatters the network; remove one of each"
        " pair",
        "  train/cat/cat.3.png = test/cat/cat.900.png",
    ]


def test_copies_stay_together(tmp_path):
    photos = pictures(tmp_path / "photos", train=30, test=0)
    for number in range(30):
        shutil.copy(photos / "cat" / f"cat.{number}.png", photos / "cat" / f"copy.{number}.png")
    data, _ = read(photos, tmp_path / "run")
    part = dict(zip(data.ids, data.parts, strict=True))
    assert all(part[f"cat/cat.{number}.png"] == part[f"cat/copy.{number}.png"] for number in range(30))


def test_few_images_of_a_class_are_a_warning(tmp_path):
    _, said = read(pictures(tmp_path / "photos", train=6, test=4), tmp_path / "run")
    assert said[0].startswith(
        "warning: class 'cat' has 10 images: without pretrained weights expect a network"
    )


def test_what_lies_beside_train_and_test_is_no_class(tmp_path):
    folder = pictures(tmp_path / "photos")
    (folder / "single").mkdir()
    for name in ("1.png", "2.png"):
        picture(0.5, np.random.default_rng(1)).save(folder / "single" / name)
    said = []
    found = fit(folder, out=tmp_path / "run", options=TrainOptions(epochs=1, threads=1), say=said.append)
    assert found.config["classes"] == ["cat", "dog"]
    assert said[0] == ("warning: 2 images beside the folders train and test, such as single/1.png: left out")


# Folders and manifests that are wrong


def test_folders_that_are_wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    pictures(tmp_path / "one", classes=("cat", "dog"))
    shutil.rmtree(tmp_path / "one" / "train" / "dog")
    shutil.rmtree(tmp_path / "one" / "test" / "dog")
    pictures(tmp_path / "more", classes=("cat", "dog", "fox"))
    shutil.rmtree(tmp_path / "more" / "train" / "fox")
    (tmp_path / "notes.txt").write_text("no manifest")
    for source, why in (
        ("absent", "absent: no such folder or manifest"),
        ("empty", "empty holds no images"),
        ("one", "one class only, 'cat': a classifier needs two or more"),
        ("more", "class 'fox' is in test but not in train"),
        ("notes.txt", "neither a folder nor a manifest"),
    ):
        code, out, err = run("train", source, "--out", "run")
        assert (code, out) == (1, "")
        assert why in err
        assert err.count("\n") == 1
    assert (
        "is a folder, and a folder names classes"
        in run("train", "more", "--out", "run", "--task", "regression")[2]
    )


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("file,label\nabsent.png,cat\n", "row 1, column file: there is no 'absent.png'"),
        ("file\na.png\n", "has no column label: a manifest has the columns file and label; it has file"),
        ("file,label\na.png,\n", "row 1: an empty label"),
        ("file,label\na.png,tall\n", "row 1, column label: 'tall' is no number"),
        ("file,label\na.png,nan\n", "row 1, column label: 'nan' is no number"),
        ("file,label\na.png,1\na.png,2\n", "names 'a.png' twice"),
        ("", "cannot be read as a manifest"),
    ],
)
def test_manifests_that_are_wrong(lines, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture(0.5, np.random.default_rng(0)).save("a.png")
    Path("all.csv").write_text(lines)
    with pytest.raises(crossent.TrainingError, match=why):
        listed(Path("all.csv"), task="regression", class_from_name=False)


def test_run_folders_that_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "thesis.txt").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"name": "another program"}')
    picture(0.5, np.random.default_rng(0)).save(tmp_path / "a.png")
    for arguments, why in (
        (("predict", "absent", "a.png"), "absent: no such RUN folder"),
        (
            ("predict", "strange", "a.png"),
            "strange is no RUN folder of crossent train: it has no config.json",
        ),
        (("predict", "other", "a.png"), "config.json is another program's"),
        (("train", "photos", "--out", "strange"), "strange is no RUN folder and holds thesis.txt"),
        (
            ("train", "photos", "--out", "strange", "--resume"),
            "strange is no RUN folder and holds thesis.txt",
        ),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert why in err
        assert err.count("\n") == 1
    assert (tmp_path / "strange" / "thesis.txt").read_text() == "mine"


def test_a_disk_that_fills_up_is_a_sentence_and_the_last_checkpoint_stays(tmp_path):
    photos = pictures(tmp_path / "photos")
    options = ["--epochs", "3", "--threads", "1"]
    # pictures fit, a checkpoint of weights and two moments does not
    command = files_up_to(5_000_000, *COMMAND, "train", str(photos), "--out", str(tmp_path / "run"), *options)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"crossent: {tmp_path / 'run' / 'checkpoint.safetensors'}: "
    )
    assert (tmp_path / "run" / "model.safetensors").exists()
    assert not list((tmp_path / "run").glob(".*.part"))
    code, _, err = run("train", photos, "--out", tmp_path / "run", "--resume")
    assert code == 0, err
