"""The built teaching page in a browser, as its tests open it and read it back."""

import math
from pathlib import Path

import numpy as np
import pytest

from browsers import watch

PAGE = Path(__file__).parents[1] / "docs" / "explain.html"


@pytest.fixture
def opened(browser):
    """Opens the page; afterwards it must have asked for nothing and complained of nothing."""
    seen, contexts = [], []

    def open_page(address="", *, width=1280, height=720, media=None, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        watch(page, PAGE.as_uri(), seen)
        page.goto(PAGE.as_uri() + address)
        if media:
            page.emulate_media(media=media)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen == []


def values(page, address=None):
    """Every number that the page shows, by its name; after going to an address if one is given."""
    return page.evaluate(
        """async address => {
            if (address && location.hash !== address) {
                const changed = new Promise(done => addEventListener('hashchange', done, { once: true }));
                location.hash = address;
                await changed;
            }
            const numbers = [...document.querySelectorAll('data[data-show]')].map(one => [one.dataset.show, Number(one.value)]);
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
