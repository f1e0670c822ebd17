"""The teaching page as a student meets it, in a headless Chromium: moved, answered, walked through, looked at."""

import re

import numpy as np
import pytest

import crossent
from browsers import SHOTS, browser, needs_chromium, serious_problems
from crossent.explain.page import SECTIONS
from explain_page import PAGE, opened, shown, slope_of, values

pytestmark = needs_chromium
__all__ = ["browser", "opened"]  # the fixtures, which pytest looks for here

# Sliders, fields, buttons

SLIDERS = {
    "dog": "picture-q-cat",
    "cat": "picture-q-dog",
    "score-dog": "q-fox",
    "temperature": "q-dog",
    "added": "alone-dog",
    "ce-dog": "whole",
    "label": "entropy",
    "loss": "typical",
    "right": "se-reaches",
    "at": "race-ce",
    "said": "squared",
    "heaviest": "bell",
}


@pytest.mark.parametrize("key", SLIDERS)
def test_a_slider_is_moved_by_the_keyboard_and_its_numbers_move(opened, key):
    page = opened("#race?at=20" if key == "at" else "")
    before = values(page)
    slider = page.locator(f"[data-setting={key}]")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft" if key == "label" else "ArrowRight")
    after = values(page)
    assert after[SLIDERS[key]] != before[SLIDERS[key]]
    page.wait_for_function("key => location.hash.includes(`${key}=`)", arg=key)
    again = values(opened(page.evaluate("location.hash")))
    assert again[SLIDERS[key]] == after[SLIDERS[key]]


def test_the_cat_moves_the_dog_only_through_softmax(opened):
    page = opened()
    for switched, moved in (("on", True), ("off", False)):
        values(page, f"#picture?with={switched}")
        before = values(page)
        page.locator("[data-setting^=cat]:visible").focus()
        page.keyboard.press("ArrowRight")
        assert (values(page)["picture-q-dog"] != before["picture-q-dog"]) == moved
    page.locator("[data-setting=with]").focus()
    page.keyboard.press("Space")
    assert values(page)["picture-sum"] == pytest.approx(1)


def test_a_number_of_the_table_is_edited_and_its_partner_follows(opened):
    page = opened()
    field = page.get_by_label("picture 3, NN1, dog")
    field.fill("0.7")
    assert page.get_by_label("picture 3, NN1, cat").input_value() == "0.3"
    found = values(page)
    expected = crossent.cross_entropy(p=[0, 1, 0], q=[[0.9, 0.1], [0.1, 0.9], [0.7, 0.3]]).mean()
    assert found["nn1-ce"] == pytest.approx(expected)
    assert found["nn1-error"] == 0
    page.get_by_label("picture 3, p, dog").fill("0")
    assert values(page)["nn1-wrong"] == pytest.approx(1)
    field.fill("7")  # no probability: nothing changes, and it is put back
    field.blur()
    assert field.input_value() == "0.7"


def test_a_row_that_is_no_distribution_is_named(opened):
    page = opened("#two-networks?rows=1,0,0,0.5,0.3,0.2,0.6,0.3,0.1")
    page.get_by_label("picture 1, NN2, fox").fill("0.3")
    assert (
        page.locator("[data-part=rows-mistake]").inner_text()
        == "Picture 1: NN2's q adds up to 1.20; it must be 1."
    )
    assert shown(page, "nn2-ce") == "–"


PASTED = [
    ("dog, 0.9, 0.1, 0.6, 0.4\ncat,0.2,0.8,0.3,0.7", [[0.9, 0.1], [0.2, 0.8]], [0, 1]),
    ("label\tdog\tcat\tfox\tdog\tcat\tfox\nfox\t0.2\t0.2\t0.6\t0.1\t0.1\t0.8", [[0.2, 0.2, 0.6]], [2]),
    ("1 0 0.5 0.5 0.6 0.4", [[0.5, 0.5]], [0]),
]


@pytest.mark.parametrize(("text", "q", "labels"), PASTED)
def test_rows_are_pasted(opened, text, q, labels):
    page = opened()
    page.locator("#pasted").fill(text)
    page.get_by_role("button", name="Use these rows").click()
    assert page.locator("[data-part=paste-trouble]").inner_text() == ""
    expected = crossent.cross_entropy(p=labels, q=np.array(q)).mean()
    assert values(page)["nn1-ce"] == pytest.approx(expected)
    assert page.locator("[data-part=rows] tr").count() == len(q)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Nothing is pasted yet."),
        ("label, dog, cat", "There is only a heading; paste rows below it."),
        ("wolf, 0.9, 0.1, 0.6, 0.4", "Line 1, 'wolf, 0.9, 0.1, 0.6, 0.4', is no row: give a label"),
        ("dog, 0.9, 0.1, 0.6, 0.4\ndog, 1.9, 0.1, 0.6, 0.4", "Line 2, 'dog, 1.9, 0.1, 0.6, 0.4', is no row"),
        ("dog,.9,.1,.6,.4\ndog,.9,.1,0,.6,.4,0", "The rows differ in their number of classes"),
        ("\n".join(["dog,.9,.1,.6,.4"] * 41), "41 rows are too many for a page"),
        ("<img src=x onerror=alert(1)>", "Line 1, '<img src=x onerror=alert(1)>', is no row"),
    ],
)
def test_what_cannot_be_pasted_is_named(opened, text, sentence):
    page = opened()
    page.locator("#pasted").fill(text)
    page.get_by_role("button", name="Use these rows").click()
    assert page.locator("[data-part=paste-trouble]").inner_text().startswith(sentence)
    assert values(page)["nn1-ce"] == pytest.approx(0.37567058772993583)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0.38", "Right: the cross-entropy of NN1."),
        ("1.06", "Right: the cross-entropy of NN2."),
        ("0,25", "Right: the squared error of NN1."),
        ("0.33", "Right: the classification error of NN1 and of NN2."),
        (
            "0.127",
            "That is the squared error, averaged over the classes too, as np.mean does. Sum over the 2 classes: 0.25 for NN1.",
        ),
        ("0.163", "That is the cross-entropy with log₁₀. With ln: 0.38 for NN1."),
        ("0.54", "That is the cross-entropy in bits, with log₂. In nats: 0.38 for NN1."),
        ("0.459", "That is the cross-entropy with log₁₀. With ln: 1.06 for NN2."),
        ("1.13", "That is the cross-entropy, summed over the 3 pictures. Averaged: 0.38 for NN1."),
        ("0.67", "That is the share of right answers. The share of wrong ones is the error: 0.33 for NN1."),
        ("0.95", "None of the six. Is it a mean over the pictures, with ln?"),
        ("0.4", "Give two decimals or more."),
        ("half", "That is no number; write it like 0.25."),
    ],
)
def test_famous_wrong_answers_are_recognised(opened, typed, said):
    page = opened()
    page.locator("#typed").fill(typed)
    assert page.locator("[data-part=recognised]").inner_text() == said


def test_a_typed_answer_is_judged_anew_when_numbers_are_edited(opened):
    page = opened()
    page.locator("#typed").fill("0.105")
    assert "None of the six" in page.locator("[data-part=recognised]").inner_text()
    page.get_by_label("picture 3, NN1, dog").fill("0.9")
    assert page.locator("[data-part=recognised]").inner_text() == "Right: the cross-entropy of NN1."


def test_results_can_be_covered(opened):
    page = opened("#two-networks?cover=on")
    assert (
        page.locator("[data-part=measures] td data").first.evaluate("one => getComputedStyle(one).visibility")
        == "hidden"
    )


def test_playing_pausing_stepping(opened):
    page = opened("#race?at=0")
    play, at = page.locator("[data-part=play]"), page.locator("[data-setting=at]")
    page.locator("[data-part=step]").click()
    assert at.input_value() == "1"
    play.click()
    assert play.inner_text() == "Pause"
    page.wait_for_function("document.querySelector('[data-setting=at]').value > 4")
    play.click()
    stopped = at.input_value()
    assert play.inner_text() == "Play"
    page.wait_for_timeout(150)
    assert at.input_value() == stopped


def test_with_reduced_motion_it_goes_by_stages(opened):
    page = opened("#race?at=0", reduced_motion="reduce")
    page.locator("[data-part=play]").click()
    page.wait_for_timeout(400)
    assert page.locator("[data-setting=at]").input_value() == "0"
    page.wait_for_function("document.querySelector('[data-setting=at]').value === '20'")


# Questions

CHOICES = {
    "picture": ("divided", ["listens", "trained"]),
    "softmax": ("add", ["double", "warm", "again"]),
    "squared-error": ("millionth", ["four", "thousandth"]),
    "race": ("se", ["ce", "raw"]),
    "regression": ("mean", ["median", "middle"]),
}


@pytest.mark.parametrize("section", CHOICES)
def test_every_choice_is_answered(opened, section):
    page = opened()
    right, wrong = CHOICES[section]
    choices = page.locator(f"#{section} .question input")
    assert sorted(choices.evaluate_all("all => all.map(one => one.value)")) == sorted([right, *wrong])
    for value in [right, *wrong]:
        page.locator(f"#{section} .question input[value={value}]").check()
        said = page.locator(f"#{section} .said p:visible")
        assert said.count() == 1
        assert said.inner_text().startswith("Yes." if value == right else "No.")


@pytest.mark.parametrize(
    ("typed", "start"),
    [
        ("0.35", "Yes."),
        ("0,35", "Yes."),
        ("0.346", "Yes."),
        ("0.65", "No. That is what is left"),
        ("0.48", "No. That is 2"),
        ("2.89", "No. That is e"),
        ("0.5", "Not yet."),
        ("x", "That is no number"),
    ],
)
def test_the_typical_probability_is_asked_for(opened, typed, start):
    page = opened()
    page.locator("#answer-typical").fill(typed)
    said = page.locator("#cross-entropy .said p:visible")
    assert said.count() == 1
    assert said.inner_text().startswith(start)
    page.locator("#answer-typical").fill("")
    assert said.count() == 0


def test_measures_that_disagree_can_be_found(opened):
    page = opened()
    found = page.locator("[data-part=at-odds]")
    assert found.inner_text() == "Not yet."
    for name, value in (("picture 1, NN1, dog", "0.45"), ("picture 2, NN1, dog", "0.55")):
        page.get_by_label(name).fill(value)
    assert found.inner_text() == "Found: NN1 makes more mistakes, yet its cross-entropy is lower."
    assert page.locator("#two-networks .verdict").inner_text() == (
        "NN1 makes more mistakes; by squared error and cross-entropy NN2 is more wrong."
    )
    page.locator("#two-networks [data-reset]").click()
    assert found.inner_text() == "Not yet."
    page.get_by_role("button", name="Show me some").click()
    assert found.inner_text().startswith("Found: NN1")


# The address


def test_an_address_opens_its_section_with_its_setting(opened):
    page = opened("#squared-error?right=0.001&said=7")
    assert page.locator("#squared-error").evaluate("one => Math.abs(one.getBoundingClientRect().top) < 60")
    assert page.locator("nav [aria-current]").inner_text() == "5 Squared error"
    assert shown(page, "right") == "0.00100"
    assert shown(page, "said") == "7.0"
    page.locator("[data-link=squared-error]").click()
    page.wait_for_function("location.hash === '#squared-error?right=0.001'")
    page.locator("[data-reset=squared-error]").click()
    assert shown(page, "right") == "0.000001"


@pytest.mark.parametrize(
    "address",
    [
        "#softmax?temperature=0",
        "#softmax?temperature=x&with=maybe&rows=1,2",
        "#nowhere?t=1",
        "#two-networks?rows=<b>",
        "#%%%",
    ],
)
def test_a_broken_address_is_as_none(opened, address):
    page = opened(address)
    assert values(page) == values(opened())


# Everyone can use it


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(opened, scheme):
    page = opened(color_scheme=scheme)
    page.evaluate("for (const one of document.querySelectorAll('.said [data-said]')) one.hidden = false")
    assert serious_problems(page) == []


def test_the_keyboard_reaches_every_section_and_control(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the first section"
    reached = set()
    for _ in range(250):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(one => one.id || one.dataset.part || one.dataset.reset || one.name || one.hash || one.tagName)(document.activeElement)"
            )
        )
    controls = page.evaluate(
        """[...document.querySelectorAll('main input:not([type=radio]):not([data-row]), main button, main summary, main textarea')]
            .filter(one => one.checkVisibility()).map(one => one.id || one.dataset.part || one.dataset.reset || one.name || one.hash || one.tagName)"""
    )
    assert set(controls) <= reached
    assert {f"#{section}" for section in SECTIONS} <= reached
    page.locator("nav a").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "two-networks-title"
    page.wait_for_function("location.hash === '#two-networks'")


CLIPPED = """() => [...document.querySelectorAll('main *')].filter(one => one.checkVisibility() && !one.closest('.scroll, .hidden, nav'))
    .filter(one => { const box = one.getBoundingClientRect(); return box.width && (box.right > innerWidth + 1 || box.left < -1); })
    .map(one => `${one.tagName} ${one.textContent.slice(0, 40)}`)"""

MET = """() => {
    const texts = [...document.querySelectorAll('main p, main td, main th, main h2, main h3, main label, main legend, main data, main figcaption, main dt, main button, main li, main svg text')]
        .filter(one => one.checkVisibility() && !one.closest('.hidden') && one.textContent.trim())
        .map(one => { const range = document.createRange(); range.selectNodeContents(one); return [one, range.getBoundingClientRect()]; })
        .filter(([, box]) => box.width > 1);
    const met = [];
    texts.forEach(([one, a], place) => texts.slice(place + 1).forEach(([other, b]) => {
        if (one.contains(other) || other.contains(one)) return;
        if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 5)
            met.push(`${one.textContent.trim().slice(0, 40)} on ${other.textContent.trim().slice(0, 40)}`);
    }));
    return met;
}"""


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_nothing_is_cut_off_or_stands_on_something_else(opened, width):
    page = opened(width=width, height=width * 9 // 16)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(MET) == []
    page.goto(
        PAGE.as_uri() + "#picture?with=off&added=90&score-dog=-10&label=0.75&unit=bits&rate=best&right=0.316"
    )
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(MET) == []


LONGEST_ANSWERS = """() => { for (const question of document.querySelectorAll('.question')) {
    const said = [...question.querySelectorAll('[data-said]')].sort((a, b) => b.textContent.length - a.textContent.length);
    said.forEach((one, place) => { one.hidden = place > 0; });
} }"""


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_every_section_fits_one_screen(opened, width, height):
    page = opened("#picture?with=off&added=90&label=0.75", width=width, height=height)
    page.evaluate(LONGEST_ANSWERS)
    free = height - page.locator("nav").bounding_box()["height"]
    for section in SECTIONS:
        assert page.locator(f"#{section}").bounding_box()["height"] <= free + 1, section


def test_it_can_be_used_within_a_second(opened):
    times = [
        opened().evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") for _ in range(3)
    ]
    assert 0 < min(times) < 1000


# Paper


def test_the_worksheet_has_blanks_and_a_key(opened):
    page = opened("#two-networks?rows=1,0,0.8,0.2,0.6,0.4&dog=1.5&right=0.01", media="print", width=680)
    assert not page.locator("main").is_visible()
    sheet, key = page.locator(".sheet").all()
    assert sheet.is_visible()
    assert key.is_visible()
    assert all(text.strip() == "" for text in sheet.locator(".blank, .line").all_inner_texts())
    assert sheet.locator(".blank").count() == key.locator(".blank").count() + 2  # the name and the date
    assert all(text.strip() for text in key.locator(".blank, .line").all_inner_texts())
    q = crossent.softmax([1.5, 0.0])
    assert float(key.locator("[data-show=sheet-q-dog]").get_attribute("value")) == pytest.approx(q[0])
    found = key.locator("[data-sheet-rows] td.blank").all_inner_texts()
    squared = [crossent.squared_error(p=[1, 0], q=one) for one in ([0.8, 0.2], [0.6, 0.4])]
    entropy = [crossent.cross_entropy(p=[1, 0], q=one) for one in ([0.8, 0.2], [0.6, 0.4])]
    assert found == [f"{value:.2f}" for value in (*squared, *entropy)] * 2
    for tick, right in (("adding 5", "☒"), ("doubling", "☐")):
        assert f"{right} {tick}" in key.inner_text()
    loss = key.locator("[data-show='sheet-se-reaches-0.000001']")
    assert float(loss.get_attribute("value")) == pytest.approx(
        slope_of(crossent.softmax_squared_error_and_grad, 1e-6)
    )


def test_the_worksheet_is_one_page_and_its_key_another(opened):
    page = opened()
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2


# Looks


@pytest.mark.parametrize(
    ("view", "options"),
    {
        "wide": {},
        "dark": {"color_scheme": "dark"},
        "narrow": {"width": 360, "height": 740},
        "print": {"width": 680, "media": "print"},
    }.items(),
)
def test_screenshots(opened, view, options):
    page = opened(**options)
    SHOTS.mkdir(parents=True, exist_ok=True)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(23, 22, 20)") == (view == "dark")
    if view in ("narrow", "print"):
        page.screenshot(path=SHOTS / f"explain-{view}.png", full_page=True)
        return
    for section in SECTIONS:
        page.locator(f"nav a[href='#{section}']").click()
        page.screenshot(path=SHOTS / f"explain-{section}-{view}.png")
        assert (SHOTS / f"explain-{section}-{view}.png").stat().st_size > 20_000
