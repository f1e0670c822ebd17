"""The built teaching page in a browser, as its tests open it and read it back."""

import math
from pathlib import Path

import numpy as np
import pytest

from browsers import watch

PAGE = Path(__file__).parents[1] / "docs" / "explain.html"


@pytest.fixture(scope="module")
def usual(browser):
    """One tab for all who ask for nothing special, and what its pages asked for and complained of."""
    page, seen = browser.new_page(viewport={"width": 1280, "height": 720}), []
    watch(page, PAGE.as_uri(), seen)
    return page, seen


@pytest.fixture
def opened(browser, usual):
    """Opens the page; afterwards it must have asked for nothing and complained of nothing."""
    page, seen = usual
    seen.clear()
    contexts = []

    def open_page(address="", *, width=1280, height=720, media=None, **options):
        if (width, height, media, options) == (1280, 720, None, {}):
            page.goto("about:blank")  # so that what follows is another document
            page.goto(PAGE.as_uri() + address)
            return page
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        special = context.new_page()
        watch(special, PAGE.as_uri(), seen)
        special.goto(PAGE.as_uri() + address)
        if media:
            special.emulate_media(media=media)
        return special

    yield open_page
    for context in contexts:
        context.close()
    assert seen == []


def until(page, expression, argument=None):
    """Waits until the expression holds; Playwright's own way to wait is against the page's policy."""
    for _ in range(200):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within 10 seconds: {expression}")


def values(page, address=None):
    """Every number that the page shows, by its name; after going to an address if one is given."""
    return page.evaluate(
        """async address => {
            if (address && location.hash !== address) {
                const changed = new Promise(done => addEventListener('hashchange', done, { once: true }));
                location.hash = address;
                await changed;
            }
            const numbers = [...document.querySelectorAll('main data[data-show]')].map(one => [one.dataset.show, Number(one.value)]);
            return Object.fromEntries(numbers);
        }""",
        address,
    )


def shown(page, name):
    return page.locator(f"main [data-show='{name}']").first.inner_text()


def slope_of(function, q):
    """Of the loss by the score of the right class of two, at its probability q."""
    _, slopes = function(np.array([[math.log(q) - math.log1p(-q), 0.0]]), [0])
    return slopes[0, 0]
