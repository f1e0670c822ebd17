"""What the tests of pages share: where Chromium is, how it is started, and what a page must not do."""

import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-quic", "--disable-background-networking"]
ARGUMENTS += ["--disable-dev-shm-usage"]  # small in containers, where the pages of many models would crash
SHOTS = Path(__file__).parents[1] / "build" / "screenshots"

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def watch(page, address, seen):
    """Notes in ``seen`` whatever a page says, asks for or fails at; ``address`` is its own."""
    page.on("console", lambda message: seen.append(("console", message.text)))
    page.on("pageerror", lambda error: seen.append(("error", str(error))))
    page.on("dialog", lambda dialog: (seen.append(("dialog", dialog.message)), dialog.dismiss()))
    page.on(
        "request",
        lambda one: (
            None
            if one.url.partition("#")[0] in (address, "about:blank") or one.url.startswith("data:")
            else seen.append(("request", one.url))
        ),
    )


def serious_problems(page):
    """What axe finds that shuts people out."""
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
