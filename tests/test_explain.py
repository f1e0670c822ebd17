"""The teaching page as it is built: the same bytes, its runs, and what it says about them; the command."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import crossent
from crossent.digits import Network
from crossent.explain import page as page_room
from crossent.explain.page import SECTIONS, page
from crossent.explain.race import (
    COMMON_RATE,
    GOAL,
    LOSSES,
    RATES,
    STEPS,
    Animals,
    Race,
    Run,
    _stepped,
)

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "docs" / "explain.html"
REBUILD = "crossent explain --no-open --out docs/explain.html"


@pytest.fixture(scope="module")
def built():
    """The page, and the seconds it took."""
    start = time.process_time()
    text = page()
    return text, time.process_time() - start


def runs(text):
    """The race as the page holds it."""
    return json.loads(re.search(r'data-part="race-data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_built_copy_is_what_the_code_builds(built):
    assert BUILT.read_text(encoding="utf-8") == built[0], f"build it anew: {REBUILD}"


def test_the_command_that_rebuilds_it_is_documented():
    assert f"`{REBUILD}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_it_is_small_and_quickly_built(built):
    text, seconds = built
    assert len(text.encode()) < 2_500_000
    assert seconds < 20


def test_nothing_is_fetched(built):
    fetching = re.findall(
        r"""(?:src|srcset|poster|data)=["'][^"']|url\(|@import|fetch\(|XMLHttp|import\(""", built[0]
    )
    assert [one for one in fetching if not one.startswith("data=")] == []
    assert re.findall(r"<link[^>]*>", built[0]) == ['<link rel="icon" href="data:,">']
    assert "default-src 'none'" in built[0]


def test_every_section_is_there_in_order(built):
    assert re.findall(r'<section id="([\w-]+)"', built[0]) == list(SECTIONS)
    assert len(re.findall(r'<div class="question">', built[0])) == len(SECTIONS)


def test_every_file_of_the_page_is_short():
    for path in (ROOT / "src" / "crossent" / "explain").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


# The race


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_the_race_are_derivatives_of_their_losses(loss):
    value = {
        "cross-entropy": lambda x, y: crossent.softmax_cross_entropy(x, y),
        "squared error": lambda x, y: crossent.softmax_squared_error(x, y),
        "squared error of raw outputs": lambda x, y: np.square(x - np.eye(2)[y]).sum(axis=1),
    }[loss]
    random = np.random.default_rng(3)
    logits, labels = random.normal(0, 3, (20, 2)), random.integers(0, 2, 20)
    slopes = LOSSES[loss](logits, labels)
    for j in range(2):
        step = 1e-6 * np.eye(2)[j]
        difference = (value(logits + step, labels) - value(logits - step, labels)) / 2e-6
        assert slopes[:, j] == pytest.approx(difference, abs=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_of_the_race_goes_down(loss):
    random = np.random.default_rng(4)
    animals = Animals(random.normal(size=(50, 2)), random.integers(0, 2, 50))
    network = Network((random.normal(size=(2, 8)), random.normal(size=(8, 2))), (np.zeros(8), np.zeros(2)))

    def size(of):
        slopes = LOSSES[loss](of.logits(animals.features), animals.labels)
        return float(np.square(slopes).sum())

    later = network
    for _ in range(300):
        later = _stepped(later, animals, LOSSES[loss], 0.05)
    assert size(later) < size(network)


def test_the_race_is_complete_and_starts_alike(built):
    race = runs(built[0])
    assert race["steps"] == STEPS
    assert race["goal"] == GOAL
    for start, by_rate in race["runs"].items():
        firsts = set()
        for rate, by_loss in by_rate.items():
            assert list(by_loss) == list(LOSSES)
            for run in by_loss.values():
                assert len(run["wrong"]) == STEPS + 1
                assert run["rate"] == COMMON_RATE if rate == "common" else run["rate"] in RATES
                firsts.add(run["wrong"][0])
        assert len(firsts) == 1, f"the losses do not start alike from the {start} start"
    assert race["runs"]["wrong"]["common"]["cross-entropy"]["wrong"][0] > 0.9


def test_what_the_race_shows(built):
    """The lesson: stuck where confidently wrong; keeping up from an ordinary start; raw outputs not stuck."""
    race = runs(built[0])["runs"]
    wrong, ordinary = race["wrong"]["common"], race["ordinary"]
    assert wrong["squared error"]["wrong"][50] > 0.9
    assert wrong["squared error"]["arrived"] is None
    assert wrong["cross-entropy"]["arrived"] < 50
    assert wrong["squared error of raw outputs"]["arrived"] < 50
    for rate in ("common", "best"):
        squared, entropy = (ordinary[rate][loss]["arrived"] for loss in ("squared error", "cross-entropy"))
        assert squared == pytest.approx(entropy, rel=0.1)


@pytest.mark.parametrize(
    ("wrong", "arrived"),
    [
        ([0.9, 0.5, 0.1, 0.1], 2),
        ([0.9, 0.1, 0.5, 0.1], 3),  # once below is not there to stay
        ([0.1, 0.1, 0.1, 0.1], 0),
        ([0.9, 0.5, 0.1, 0.2], None),
    ],
)
def test_a_network_arrives_when_it_stays_below(wrong, arrived):
    assert Run(0.1, tuple(wrong)).arrived == arrived


def invented(entropy, squared, raw):
    """A race in which the losses arrive after so many steps, the same from both starts and at both rates."""

    def run(steps):
        return Run(0.1, tuple(0.9 if step < steps else 0.05 for step in range(STEPS + 1)))

    runs = dict(zip(LOSSES, map(run, (entropy, squared, raw)), strict=True))
    return Race({start: {"common": runs, "best": runs} for start in ("ordinary", "wrong")}, 0.001)


@pytest.mark.parametrize(
    ("steps", "sentence", "stuck"),
    [
        (
            (10, 12, 30),
            "Squared error keeps up: 12 steps against 10 steps. Raw outputs are there after 30 steps.",
            "squared error of the raw outputs",
        ),
        (
            (10, 90, 5),
            "Cross-entropy is there after 10 steps, squared error after 90 steps. Raw outputs have no softmax to pass: 5 steps.",
            "squared error of the softmax",
        ),
        (
            (10, 999, 20),
            "Cross-entropy is there after 10 steps, squared error not in 200. Raw outputs are there after 20 steps.",
            "squared error of the softmax",
        ),
        (
            (999, 999, 999),
            "Cross-entropy is there not in 200, squared error not in 200. Raw outputs are there not in 200.",
            "cross-entropy",
        ),
        (
            (100, 20, 20),
            "Squared error keeps up: 20 steps against 100 steps. Raw outputs have no softmax to pass: 20 steps.",
            "cross-entropy",
        ),
    ],
)
def test_sentences_follow_from_the_runs(steps, sentence, stuck):
    words = page_room._words(invented(*steps))
    assert words.outcomes["ordinary-common"] == sentence
    assert [text.lower() for _, text, _, right in words.answers if right] == [stuck]
    for _, text, said, _ in words.answers:
        assert ("kills its gradient" in said) == (text.lower() == stuck == "squared error of the softmax")
    assert words.outcomes.keys() == {
        f"{start}-{rate}" for start in ("ordinary", "wrong") for rate in ("common", "best")
    }


def test_where_squared_error_keeps_up_is_named():
    assert page_room._words(invented(10, 90, 5)).keeps_up == "Nowhere in these runs."
    assert page_room._words(invented(10, 10, 5)).keeps_up.startswith(
        "From the ordinary start at the common rate (10 steps against 10 steps); from the ordinary start each"
    )


# The command


def test_the_command_writes_the_page_and_opens_nothing_when_piped(built, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > "$(dirname "$0")/opened"\n')
    browser.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "crossent", "explain"],
        cwd=tmp_path,
        env={**os.environ, "BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "wrote crossent-explain.html"
    assert (tmp_path / "crossent-explain.html").read_text(encoding="utf-8") == built[0]
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("choice", ["--open", "--no-open"])
def test_on_a_terminal_a_browser_is_opened_unless_it_is_declined(choice, tmp_path, monkeypatch):
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > "$(dirname "$0")/opened"\n')
    browser.chmod(0o755)
    code = "import crossent.explain.page as room; room.page = lambda: 'page'; from crossent.cli import main; main()"
    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", choice, "--out", "a page.html"],
        cwd=tmp_path,
        env={**os.environ, "BROWSER": f"{browser} %s"},
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    os.close(leader)
    assert done.returncode == 0
    opened = tmp_path / "opened"
    if choice == "--no-open":
        assert not opened.exists()
    else:
        assert opened.read_text().strip() == (tmp_path / "a page.html").as_uri()


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("nowhere/page.html", "crossent: nowhere: no such folder\n"),
        (".", "crossent: .: it is a folder; name a file in it\n"),
    ],
)
def test_a_page_that_cannot_be_written_is_one_sentence(out, sentence, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "crossent", "explain", "--out", out],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
