"""The page as a reader meets it, in a headless Chromium: read back, walked through, looked at."""

import json
import re
from functools import cache
from itertools import pairwise

import pytest

from browsers import SHOTS, browser, needs_chromium, serious_problems, watch
from crossent.wording import visible
from golden_cases import CASES as GOLDEN
from golden_cases import worked_example
from report_cases import DATA, HOSTILE, cifar, hostile, large, photographs, two

PATIENCE = 180_000  # milliseconds: on a busy machine the largest page takes its time
MINUS = "−"

pytestmark = needs_chromium
__all__ = ["browser"]  # the fixture, which pytest looks for here


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@cache
def made(name, folder):
    """A comparison and the file of its report."""
    path = folder / f"{name}.html"
    images = None
    if name == "photographs":
        images = folder / "images"
        images.mkdir()
        comparison = photographs(images)
        first, second = (example.id for example in comparison.pairs[0].b_worse[:2])
        (images / first).unlink()
        (images / second).write_bytes(b"broken")
    else:
        comparison = {**GOLDEN, "two": two, "hostile": hostile, "large": large, "cifar": cifar}[name]()
    comparison.to_html(path, images=images)
    return comparison, path


@pytest.fixture
def opened(browser, folder):
    """Opens a report; afterwards the page must have asked for nothing, said nothing, and run nothing."""
    seen, contexts = [], []

    def open_report(name, *, width=1280, dark=False, media=None):
        comparison, path = made(name, folder)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        watch(page, path.as_uri(), seen)
        page.goto(path.as_uri())
        if media is not None:
            page.emulate_media(media=media)
        assert page.evaluate("document.scripts.length") == 0
        return comparison, page

    yield open_report
    for context in contexts:
        context.close()
    assert seen == []


def table_of(page, caption):
    """The body of a table, as rows of (text, value of its data element)."""
    return page.evaluate(
        """caption => [...document.querySelectorAll('table')]
        .filter(one => one.caption && one.caption.textContent.startsWith(caption))[0]
        .querySelectorAll('tbody tr').values().map(row => [...row.cells].map(cell => [
            cell.textContent.trim().replace(/\\s+/g, ' '),
            cell.querySelector('data') && cell.querySelector('data').value])).toArray()""",
        caption,
    )


def number(text):
    """The first number of a text, and by how much its last digit may have been rounded."""
    found = re.search(r"[−+]?[\d,]*\.?\d+", text)[0].replace(",", "").replace(MINUS, "-")
    places = len(found.partition(".")[2])
    return float(found), 0.5 * 10.0**-places + 1e-12


def assert_shows(cell, value):
    """The cell shows the value, rounded, and holds it unrounded."""
    text, exact = cell
    if value in ("inf", "-inf"):
        assert text.replace(MINUS, "-").lstrip("+") == value
        assert float(exact) == float(value)
        return
    assert float(exact) == value
    shown, slack = number(text)
    assert abs(shown - value) <= slack


@pytest.mark.parametrize("name", ["two", "worked_example", "one_infinite", "three_models"])
def test_the_numbers_read_back_are_those_of_the_json(opened, name):
    comparison, page = opened(name)
    found = json.loads(comparison.to_json())
    rows = table_of(page, "Each model's mean")
    assert len(rows) == len(found["models"]) + 1
    for row, model in zip(rows, found["models"], strict=False):
        cells = [cell for cell in row if cell[1] is not None]
        asides = [cell[0] for cell in row[1:] if cell[1] is None]
        assert row[0][0] == model["name"]
        assert int(cells[0][1]) == model["wrong"]
        measures = ["classification_error", "squared_error", "cross_entropy"]
        for cell, measure in zip(cells[1:4], measures, strict=True):
            assert_shows(cell, model[measure]["value"])
        if found["sample"]["units"] >= 20:
            for aside, measure in zip(asides, measures, strict=True):
                if model[measure]["low"] is None:
                    assert aside == ""
                    continue
                low, high = aside.strip("[]*").split("] ")[0].split(", ")
                for text, end in ((low, "low"), (high.strip("]*"), "high")):
                    shown, slack = number(text)
                    assert abs(shown - model[measure][end]) <= slack
        assert_shows(cells[4], model["typical_probability"])
    base = [cell for cell in rows[-1] if cell[1] is not None]
    assert_shows(base[1], found["baseline"]["classification_error"])
    assert_shows(base[3], found["baseline"]["cross_entropy"])
    lines = table_of(page, "The later model's mean" if len(found["pairs"]) == 1 else "All 3 pairs")
    expected = [
        (pair, m)
        for pair in found["pairs"]
        for m in ("classification_error", "squared_error", "cross_entropy")
    ]
    assert len(lines) == len(expected)
    for line, (pair, measure) in zip(lines, expected, strict=True):
        assert line[0][0] == f"{pair['b']} {MINUS} {pair['a']}"
        assert_shows(line[2], pair[measure]["difference"])


def test_tables_behind_the_charts_have_every_count(opened):
    comparison, page = opened("two")
    found = json.loads(comparison.to_json())
    model = found["models"][1]
    rows = table_of(page, f"Labels by row, predictions of {model['name']}")
    assert [[int(value) for _, value in row[1:]] for row in rows] == model["confusion"]
    rows = table_of(page, f"Reliability of {model['name']}")
    filled = [one for one in model["reliability"] if one["examples"]]
    shown = [row for row in rows if row[1][1] not in ("0", None)]
    assert [int(row[1][1]) for row in shown] == [one["examples"] for one in filled]
    for row, one in zip(shown, filled, strict=True):
        assert_shows(row[2], one["confidence"])
        assert_shows(row[3], one["accuracy"]["value"])
    gap = {row[0][0]: row for row in table_of(page, "What bad costs more than good")}
    for name, words in (("both_right", "both are right"), ("only_b_wrong", "only bad is wrong")):
        part = found["pairs"][0]["gap"][name]
        assert int(gap[words][1][1]) == part["examples"]
        assert_shows(gap[words][2], part["contribution"])


def test_the_gallery_reads_back(opened):
    comparison, page = opened("photographs")
    pair = json.loads(comparison.to_json())["pairs"][0]
    cards = page.locator("article")
    examples = pair["b_worse"][:10] + pair["a_worse"][:10]
    assert cards.count() == len(examples) == 20
    for place, example in enumerate(examples):
        card = cards.nth(place)
        assert card.locator("h4").inner_text() == example["id"]
        assert card.locator("strong").inner_text() == example["label"]
        losses = [float(one.get_attribute("value")) for one in card.locator(".loss data").all()]
        assert losses == [example["a"]["cross_entropy"], example["b"]["cross_entropy"]]
        label = [float(one.get_attribute("value")) for one in card.locator("tr.label data").all()]
        assert label == [example["a"]["of_label"], example["b"]["of_label"]]
        widths = card.locator("tr.label td.bar rect:nth-child(2)").evaluate_all(
            "all => all.map(one => one.width.baseVal.value)"
        )
        assert widths == pytest.approx([100 * value for value in label], abs=0.06)
    shown = page.locator("article img").evaluate_all(
        "all => all.map(one => [one.complete, one.naturalWidth])"
    )
    assert shown == [[True, 192]] * 18
    assert page.locator("article .placeholder").all_inner_texts() == ["no image found", "image broken"]


@pytest.mark.parametrize(
    ("name", "dark"),
    [
        *((name, False) for name in ("three_models", "hostile", "photographs")),
        *(("worked_example", dark) for dark in (False, True)),
        *(
            pytest.param(name, False, marks=pytest.mark.slow)
            for name in ("large", "one_infinite", "one_model")
        ),
        pytest.param("photographs", True, marks=pytest.mark.slow),
    ],
)
def test_nobody_is_shut_out(opened, name, dark):
    _, page = opened(name, dark=dark)
    if name != "large":  # whose tables are those of the others, only longer
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.add_style_tag(
        content=".scroll { background: none !important }"
    )  # whose shades hide contrasts from axe
    assert serious_problems(page) == []
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_hostile_names_are_shown_as_text(opened):
    comparison, page = opened("hostile")
    assert "compared" in page.title()
    assert page.locator("b, script, article svg[onload], img").count() == 0
    text = page.locator("body").inner_text()
    for name in comparison.models:
        assert name in text
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    everything = re.sub(r"\s+", " ", page.locator("body").text_content())
    for name in HOSTILE[:2] + HOSTILE[3:]:
        assert visible(name) in everything
    assert page.evaluate("document.title") != "taken"


@pytest.mark.parametrize("name", ["worked_example", "two", "hostile", "photographs", "large"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_cut_off(opened, name, width):
    _, page = opened(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.evaluate(
        """() => [...document.querySelectorAll('figure > svg')].flatMap(svg => {
            const whole = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].map(text => [text, text.getBoundingClientRect()])
                .filter(([, box]) => box.width && (box.left < whole.left - 1 || box.right > whole.right + 1
                    || box.top < whole.top - 2 || box.bottom > whole.bottom + 2))
                .map(([text]) => svg.querySelector('title').textContent + ': ' + text.textContent)})"""
    )
    assert cut == []
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('figure > svg text')].filter(one => one.textContent).map(one =>
            parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a / (one.getScreenCTM().b ? NaN : 1))"""
    )
    assert min(size for size in sizes if size == size) >= 7.5


@pytest.mark.parametrize("name", ["worked_example", "two", "hostile", "three_models", "photographs", "large"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_stands_on_something_else(opened, name, width):
    _, page = opened(name, width=width)
    met = page.evaluate(
        """() => [...document.querySelectorAll('figure > svg')].flatMap(svg => {
            const texts = [...svg.querySelectorAll('text')].filter(one => one.textContent && !one.getScreenCTM().b)
                .map(one => [one.textContent, one.getBoundingClientRect()]);
            return texts.flatMap(([text, a], place) => texts.slice(place + 1)
                .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 5)
                .map(([other]) => svg.querySelector('title').textContent + ': ' + text + ' on ' + other))})"""
    )
    assert met == []
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.example td.number')]
            .filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"""
    )
    assert wide == []


@pytest.mark.parametrize("name", ["two", "three_models", "large"])
def test_tables_that_are_open_fit_the_page(opened, name):
    _, page = opened(name)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('section > .scroll')]
            .filter(one => one.scrollWidth > one.clientWidth).map(one => one.getAttribute('aria-label'))"""
    )
    assert wide == []


@pytest.mark.parametrize("name", ["two", "large"])
def test_print_has_every_table_and_cuts_none_off(opened, name):
    _, page = opened(name, width=680, media="print")  # A4 within margins of 15 mm
    shown = page.evaluate(
        "[...document.querySelectorAll('details table')].map(one => one.checkVisibility() && one.offsetHeight > 0)"
    )
    assert shown
    assert all(shown)
    beyond = page.evaluate(
        """() => [...document.querySelectorAll('table, svg, p')]
            .filter(one => one.getBoundingClientRect().right > 681).map(one => one.textContent.slice(0, 60))"""
    )
    assert beyond == []


def test_the_keyboard_reaches_everything(opened):
    _, page = opened("two", width=360)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the verdict"
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        kind = page.evaluate(
            "document.activeElement.tagName + ' ' + (document.activeElement.className || '')"
        )
        reached.add(kind.strip())
        if kind.startswith("SUMMARY"):
            break
    assert "DIV scroll" in reached
    assert "SUMMARY" in reached
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")


def test_a_strict_policy_leaves_it_readable(browser, folder):
    comparison, path = made("photographs", folder)
    context = browser.new_context()
    try:
        page = context.new_page()
        headers = {
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Content-Type": "text/html; charset=utf-8",
        }
        page.route(
            "**/*", lambda route: route.fulfill(status=200, headers=headers, body=path.read_text("utf-8"))
        )
        page.goto("http://report.invalid/")
        text = page.locator("body").text_content()
        assert comparison.pairs[0].description in text
        assert comparison.pairs[0].beyond in text
        fills = page.locator("td.bar rect:nth-child(2)").evaluate_all(
            "all => all.map(one => getComputedStyle(one).fill)"
        )
        assert set(fills) == {"rgb(11, 98, 164)", "rgb(194, 65, 12)"}
    finally:
        context.close()


VIEWS = {
    "wide": {},
    "narrow": {"width": 360},
    "dark": {"dark": True},
    "print": {"width": 794, "media": "print"},
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "name",
    ["worked_example", "photographs", *(pytest.param(n, marks=pytest.mark.slow) for n in ("cifar", "large"))],
)
def test_screenshots(opened, name, view):
    if name == "cifar" and not DATA.exists():
        pytest.skip("shared/data is not beside the repository")
    _, page = opened(name, **VIEWS[view])
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}-{view}.png"
    page.screenshot(path=path, full_page=True)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(23, 22, 20)") == (view == "dark")
    assert path.stat().st_size > 20_000


def test_it_prints(opened):
    _, page = opened("two")
    assert page.pdf().startswith(b"%PDF")


def test_the_worked_example_is_told_in_two_sentences(opened):
    _, page = opened("worked_example")
    expected = worked_example().pairs[0]
    assert page.locator(".verdict").inner_text() == expected.description
    assert page.locator(".beyond").inner_text() == expected.beyond
