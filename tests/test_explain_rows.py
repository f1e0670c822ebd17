"""The two networks of the teaching page: rows edited and pasted, answers typed, in a headless Chromium."""

import numpy as np
import pytest

import crossent
from browsers import browser, needs_chromium
from explain_page import opened, shown, usual, values

pytestmark = needs_chromium
__all__ = ["browser", "opened", "usual"]  # the fixtures, which pytest looks for here


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


def test_rows_are_pasted(opened):
    page = opened()
    for text, q, labels in PASTED:
        page.locator("#pasted").fill(text)
        page.get_by_role("button", name="Use these rows").click()
        assert page.locator("[data-part=paste-trouble]").inner_text() == ""
        expected = crossent.cross_entropy(p=labels, q=np.array(q)).mean()
        assert values(page)["nn1-ce"] == pytest.approx(expected)
        assert page.locator("[data-part=rows] tr").count() == len(q)


UNFIT = [
    ("", "Nothing is pasted yet."),
    ("label, dog, cat", "There is only a heading; paste rows below it."),
    ("wolf, 0.9, 0.1, 0.6, 0.4", "Line 1, 'wolf, 0.9, 0.1, 0.6, 0.4', is no row: give a label"),
    ("dog, 0.9, 0.1, 0.6, 0.4\ndog, 1.9, 0.1, 0.6, 0.4", "Line 2, 'dog, 1.9, 0.1, 0.6, 0.4', is no row"),
    ("dog,.9,.1,.6,.4\ndog,.9,.1,0,.6,.4,0", "The rows differ in their number of classes"),
    ("\n".join(["dog,.9,.1,.6,.4"] * 41), "41 rows are too many for a page"),
    ("dog,.9,.1,.6,.4\n<img src=x onerror=alert(1)>", "Line 2, '<img src=x onerror=alert(1)>', is no row"),
]


def test_what_cannot_be_pasted_is_named(opened):
    page = opened()
    for text, sentence in UNFIT:
        page.locator("#pasted").fill(text)
        page.get_by_role("button", name="Use these rows").click()
        assert page.locator("[data-part=paste-trouble]").inner_text().startswith(sentence)
        assert values(page)["nn1-ce"] == pytest.approx(0.37567058772993583)


TYPED = [
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
]


def test_famous_wrong_answers_are_recognised(opened):
    page = opened()
    for typed, said in TYPED:
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
