"""The teaching page as a student meets it, in a headless Chromium: moved, answered, walked through, looked at."""

import re

import pytest

import crossent
from browsers import SHOTS, browser, needs_chromium, serious_problems
from crossent.explain.page import SECTIONS
from explain_page import PAGE, opened, shown, slope_of, until, usual, values

pytestmark = needs_chromium
__all__ = ["browser", "opened", "usual"]  # the fixtures, which pytest looks for here

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


def test_sliders_are_moved_by_the_keyboard_their_numbers_move_and_the_address_keeps_them(opened):
    page = opened("#race?at=20")
    for key, name in SLIDERS.items():
        before = values(page)[name]
        page.locator(f"[data-setting={key}]").focus()
        for _ in range(3):
            page.keyboard.press("ArrowLeft" if key == "label" else "ArrowRight")
        assert values(page)[name] != before, key
    until(page, "keys => keys.every(key => location.hash.includes(`${key}=`))", list(SLIDERS))
    moved = values(page)
    assert values(opened(page.evaluate("location.hash"))) == moved


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


def test_playing_pausing_stepping(opened):
    page = opened("#race?at=0")
    play, at = page.locator("[data-part=play]"), page.locator("[data-setting=at]")
    page.locator("[data-part=step]").click()
    assert at.input_value() == "1"
    play.click()
    assert play.inner_text() == "Pause"
    until(page, "document.querySelector('[data-setting=at]').value > 4")
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
    until(page, "document.querySelector('[data-setting=at]').value === '20'")


# Questions

CHOICES = {
    "picture": ("divided", ["listens", "trained"]),
    "softmax": ("add", ["double", "warm", "again"]),
    "squared-error": ("millionth", ["four", "thousandth"]),
    "race": ("se", ["ce", "raw"]),
    "regression": ("mean", ["median", "middle"]),
}


def test_every_choice_is_answered(opened):
    page = opened()
    for section, (right, wrong) in CHOICES.items():
        choices = page.locator(f"#{section} .question input")
        assert sorted(choices.evaluate_all("all => all.map(one => one.value)")) == sorted([right, *wrong])
        for value in [right, *wrong]:
            page.locator(f"#{section} .question input[value={value}]").check()
            said = page.locator(f"#{section} .said p:visible").all_inner_texts()
            assert [text.startswith("Yes." if value == right else "No.") for text in said] == [True]


TYPICAL = [
    ("0.35", "Yes."),
    ("0,35", "Yes."),
    ("0.346", "Yes."),
    ("0.65", "No. That is what is left"),
    ("0.48", "No. That is 2"),
    ("2.89", "No. That is e"),
    ("0.5", "Not yet."),
    ("x", "That is no number"),
]


def test_the_typical_probability_is_asked_for(opened):
    page = opened()
    said = page.locator("#cross-entropy .said p:visible")
    for typed, start in TYPICAL:
        page.locator("#answer-typical").fill(typed)
        assert said.count() == 1
        assert said.inner_text().startswith(start)
    page.locator("#answer-typical").fill("")
    assert said.count() == 0


# The address


def test_an_address_opens_its_section_with_its_setting(opened):
    page = opened("#squared-error?right=0.001&said=7")
    assert page.locator("#squared-error").evaluate("one => Math.abs(one.getBoundingClientRect().top) < 60")
    assert page.locator("nav [aria-current]").inner_text() == "5 Squared error"
    assert shown(page, "right") == "0.00100"
    assert shown(page, "said") == "7.0"
    page.locator("[data-link=squared-error]").click()
    until(page, "location.hash === '#squared-error?right=0.001'")
    page.locator("[data-reset=squared-error]").click()
    assert shown(page, "right") == "0.000001"


def test_an_address_that_is_gone_to_is_not_written_over(opened):
    page = opened()
    page.evaluate(
        """async () => {
            const slider = document.querySelector('[data-setting=cat]'), arrived = new Promise(done => addEventListener('hashchange', done));
            const due = [];
            window.setTimeout = run => due.push(run);
            slider.value = 1;
            slider.dispatchEvent(new Event('input', { bubbles: true }));
            location.hash = '#picture?cat=3';
            due.forEach(run => run());
            await arrived;
        }"""
    )
    assert values(page)["picture-score-cat"] == 3


@pytest.mark.parametrize(
    "address",
    [
        "#softmax?temperature=0",
        "#softmax?temperature=x&with=maybe&rows=1,2",
        "#nowhere?t=1",
        "#two-networks?rows=<b>",
        "#%%%",
        "#constructor?constructor=1&__proto__=2",
    ],
)
def test_a_broken_address_is_as_none(opened, address):
    page = opened(address)
    found = values(page)
    assert found == values(opened())


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
    until(page, "location.hash === '#two-networks'")


CLIPPED = """() => [...document.querySelectorAll('main *')].filter(one => one.checkVisibility() && !one.closest('.scroll, .hidden, nav'))
    .filter(one => { const box = one.getBoundingClientRect(); return box.width && (box.right > innerWidth + 1 || box.left < -1); })
    .map(one => `${one.tagName} ${one.textContent.slice(0, 40)}`)"""

MET = """() => {
    const texts = [...document.querySelectorAll('main p, main td, main th, main h2, main h3, main label, main legend, main data, main figcaption, main dt, main button, main li, main svg text')]
        .filter(one => one.checkVisibility() && !one.closest('.hidden') && !one.querySelector('.hidden') && one.textContent.trim())
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
