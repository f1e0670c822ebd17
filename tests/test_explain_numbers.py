"""The numbers of the teaching page, read back from a headless Chromium: they are crossent's."""

import json
import math
from importlib.resources import files
from statistics import NormalDist

import numpy as np
import pytest

import crossent
from browsers import browser, needs_chromium
from explain_page import opened, shown, slope_of, usual, values

ANIMALS = ("dog", "cat", "fox")

pytestmark = needs_chromium
__all__ = ["browser", "opened", "usual"]  # the fixtures, which pytest looks for here


def settings(seed, count, *ranges):
    """Random settings, each within its range, as the sliders have them."""
    random = np.random.default_rng(seed)
    return [[round(random.uniform(low, high), 1) for low, high in ranges] for _ in range(count)]


def test_a_picture_two_numbers(opened):
    page = opened()
    assert [shown(page, f"picture-q-{name}") for name in ("dog", "cat")] == ["0.90", "0.10"]
    for dog, cat in settings(1, 5, (-4, 4), (-4, 4)):
        found = values(page, f"#picture?dog={dog}&cat={cat}")
        q = crossent.softmax([dog, cat])
        assert [found["picture-q-dog"], found["picture-q-cat"]] == pytest.approx(q, rel=1e-12)
        assert found["picture-sum"] == pytest.approx(1, abs=1e-15)
        found = values(page, f"#picture?with=off&dog-alone={dog}&cat-alone={cat}")
        q = [crossent.softmax([score, 0.0])[0] for score in (dog, cat)]
        assert [found["picture-q-dog"], found["picture-q-cat"]] == pytest.approx(q, rel=1e-12)
    values(page, "#picture?with=off")
    assert [shown(page, f"picture-q-{name}") for name in ("dog", "cat")] == ["90 %", "45 %"]


def test_softmax(opened):
    page = opened()
    for *scores, power, added in settings(2, 8, *[(-10, 10)] * 3, (-1, 1), (-80, 80)):
        temperature = float(f"{10**power:.3g}")
        where = "&".join(f"score-{name}={score}" for name, score in zip(ANIMALS, scores, strict=True))
        found = values(page, f"#softmax?{where}&temperature={temperature}&added={round(added)}")
        q = crossent.softmax(scores, temperature=temperature)
        x = (np.array(scores) + round(added)) / temperature
        assert [found[f"q-{name}"] for name in ANIMALS] == pytest.approx(q, rel=1e-11)
        assert [found[f"again-{name}"] for name in ANIMALS] == pytest.approx(crossent.softmax(q), rel=1e-11)
        alone = crossent.softmax(np.stack([x, np.zeros(3)], axis=1))[:, 0]
        assert [found[f"alone-{name}"] for name in ANIMALS] == pytest.approx(alone, rel=1e-11)
        assert found["alone-sum"] == pytest.approx(alone.sum())
        assert page.locator("[data-show=winner]").inner_text() == ANIMALS[int(np.argmax(scores))]
        _, slopes = crossent.softmax_cross_entropy_and_grad(np.tile(x, (3, 1)), [0, 1, 2])
        for i, row in enumerate(ANIMALS):
            shown_row = [found[f"slope-{row}-{column}"] for column in ANIMALS]
            assert shown_row == pytest.approx(-q[i] * slopes[i] / temperature, rel=1e-9, abs=1e-15)


def in_steps(scores, dtype):
    """Softmax as the formula stands, each result rounded: exponentials, their sum, probabilities."""
    with np.errstate(all="ignore"):
        powers = np.exp(np.array(scores, dtype).astype(np.float64)).astype(dtype)
        total = (powers[0] + powers[1]) + powers[2]
        return powers, total, powers / total


def test_short_numbers_overflow_as_those_of_numpy(opened):
    page = opened()
    for added in (-100, -9, 0, 8, 9, 10, 86, 87, 100):
        found = values(page, f"#softmax?added={added}")
        for name, dtype, whole in (
            ("half", np.float16, range(-9, 9)),
            ("single", np.float32, range(-100, 87)),
        ):
            least = float(np.finfo(dtype).eps)  # an exponential may be rounded otherwise in its last digit
            x = np.array([2, 1, -1]) + added
            powers, total, plain = in_steps(x, dtype)
            assert found[f"{name}-power"] == pytest.approx(float(powers.max()), rel=least)
            assert found[f"{name}-total"] == pytest.approx(float(total), rel=least)
            for kind, q in (("plain", plain), ("mended", in_steps(x - x.max(), dtype)[2])):
                read = [found[f"{name}-{kind}-{animal}"] for animal in ANIMALS]
                assert read == pytest.approx(q.astype(float), rel=2 * least, nan_ok=True), (name, added)
            broken = page.locator(f"[data-part={name}-row]").evaluate("one => one.className")
            assert (broken == "broken") == (added not in whole), (name, added)


def test_float16_is_rounded_as_numpy_rounds_it(usual):
    page, _ = usual
    page.goto("about:blank")
    script = (files("crossent.explain") / "templates" / "script" / "numbers.js").read_text(encoding="utf-8")
    grid = np.arange(0, 0x7C00, 7, dtype=np.uint16).view(np.float16).astype(float)
    below = np.arange(6, 0x7C00, 7, dtype=np.uint16).view(np.float16).astype(float)
    ties = (grid[1 : 1 + len(below)] + below[: len(grid) - 1]) / 2
    some = np.concatenate([grid, ties, np.nextafter(ties, 0), -ties, [65519.99, 65520, 1e300, -1e5]])
    found = page.evaluate(
        "([script, some]) => some.map(new Function(`${script}; return half;`)())", [script, some.tolist()]
    )
    with np.errstate(over="ignore"):
        assert found == some.astype(np.float16).astype(float).tolist()


def test_cross_entropy(opened):
    page = opened()
    for dog, cat, label in settings(3, 5, (-5, 5), (-5, 5), (0, 1)):
        label = round(label * 20) / 20
        p, q = [label, 1 - label], crossent.softmax([dog, cat])
        for unit, scale in (("nats", 1), ("bits", 1 / math.log(2))):
            found = values(page, f"#cross-entropy?ce-dog={dog}&ce-cat={cat}&label={label}&unit={unit}")
            expected = {
                "by-scores": crossent.softmax_cross_entropy([dog, cat], p),
                "by-probabilities": crossent.cross_entropy(p=p, q=q),
                "swapped": crossent.cross_entropy(p=q, q=p),
                "entropy": crossent.entropy(p),
                "divergence": crossent.kl_divergence(p=p, q=q),
                "whole": crossent.cross_entropy(p=p, q=q),
            }
            for name, value in expected.items():
                assert found[name] == pytest.approx(value * scale, rel=1e-9, abs=1e-12), name
            assert found["by-scores"] == pytest.approx(found["by-probabilities"], rel=1e-12)
            assert found["entropy"] + found["divergence"] == pytest.approx(found["whole"], rel=1e-12)
    for loss in (0, 0.38, 1.06, 3):
        assert values(page, f"#cross-entropy?loss={loss}")["typical"] == pytest.approx(math.exp(-loss))
    values(page, "#cross-entropy")
    assert shown(page, "swapped") == "∞"


def rows_address(rows):
    return "#two-networks?rows=" + ";".join(",".join(f"{value:.17g}" for value in row) for row in rows)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_two_networks(opened, classes):
    page = opened()
    random = np.random.default_rng(classes)
    for count in (1, 3, 12):
        labels = random.integers(0, classes, count)
        q = random.dirichlet(np.ones(classes), (2, count))
        rows = np.concatenate([np.eye(classes)[labels], q[0], q[1]], axis=1)
        found = values(page, rows_address(rows))
        expected = crossent.compare({"NN1": q[0], "NN2": q[1]}, labels=labels, kind="probs")
        for i, name in enumerate(("NN1", "NN2"), start=1):
            model = expected.models[name]
            assert found[f"nn{i}-error"] == pytest.approx(model.classification_error.value)
            assert found[f"nn{i}-squared"] == pytest.approx(model.squared_error.value, rel=1e-12)
            assert found[f"nn{i}-ce"] == pytest.approx(model.cross_entropy.value, rel=1e-12)
            assert found[f"nn{i}-typical"] == pytest.approx(model.typical_probability, rel=1e-12)
            assert shown(page, f"nn{i}-wrong") == f"{model.wrong} of {count}"


def test_why_not_squared_error(opened):
    page = opened()
    for q in [1e-6, *np.random.default_rng(5).uniform(-6, 0, 8).__rpow__(10), 0.5]:
        q = float(f"{q:.3g}")
        found = values(page, f"#squared-error?right={q}")
        both = [q, 1 - q]
        assert found["ce-loss"] == pytest.approx(crossent.cross_entropy(p=[1, 0], q=both))
        assert found["se-loss"] == pytest.approx(crossent.squared_error(p=[1, 0], q=both))
        assert found["step-loss"] == crossent.classification_error(p=[1, 0], q=both)
        assert found["ce-reaches"] == pytest.approx(slope_of(crossent.softmax_cross_entropy_and_grad, q))
        assert found["se-reaches"] == pytest.approx(slope_of(crossent.softmax_squared_error_and_grad, q))
        assert found["step-reaches"] == 0
        for name in ("ce", "se"):
            assert found[f"{name}-slope"] * found["own-slope"] == pytest.approx(found[f"{name}-reaches"])
        logits = np.log([[q, 0.7 * (1 - q), 0.3 * (1 - q)]])
        _, pulls = crossent.softmax_cross_entropy_and_grad(logits, [0])
        assert [found[f"pull-{name}"] for name in ANIMALS] == pytest.approx(pulls[0])
    values(page, "#squared-error")
    assert [shown(page, f"{name}-reaches") for name in ("ce", "se")] == ["−1.00", "−0.000004"]
    marks = page.locator("[data-part=losses] text:not(.tick)").all_text_contents()
    assert marks == ["falls by 6.9", "falls by 0.004"]


def test_the_race_shows_its_runs(opened):
    page = opened()
    race = json.loads(
        page.locator("[data-part=race-data]").inner_text()
        or page.locator("[data-part=race-data]").text_content()
    )
    lanes = {"ce": "cross-entropy", "se": "squared error", "raw": "squared error of raw outputs"}
    for start in ("ordinary", "wrong"):
        for rate in ("common", "best"):
            for step in (7, 38, 200):
                found = values(page, f"#race?from={start}&rate={rate}&at={step}")
                for lane, loss in lanes.items():
                    run = race["runs"][start][rate][loss]
                    assert found[f"race-{lane}"] == run["wrong"][step]
                    assert found[f"race-{lane}-rate"] == run["rate"]
                    arrived = (
                        run["arrived"] if run["arrived"] is not None and run["arrived"] <= step else None
                    )
                    assert shown(page, f"race-{lane}-arrived") == (
                        str(arrived) if arrived is not None else "not in 200" if step == 200 else "not yet"
                    )
            assert page.locator("[data-outcome]:visible").get_attribute("data-outcome") == f"{start}-{rate}"


def test_regression(opened):
    page = opened()
    for said, heaviest in settings(6, 5, (5, 25), (12, 30)):
        heaviest = round(heaviest)
        weights = np.array([8, 9, 10, 11, heaviest])
        found = values(page, f"#regression?said={said}&heaviest={heaviest}")
        assert found["squared"] == pytest.approx(np.mean((weights - said) ** 2))
        bell = NormalDist(said, 5)
        assert found["bell"] == pytest.approx(np.mean([-math.log(bell.pdf(weight)) for weight in weights]))
        assert found["bell-part"] + found["bell-constant"] == pytest.approx(found["bell"])
