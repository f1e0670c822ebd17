"""What charts are drawn from: the same whatever order blocks come in, and no more than the sample holds."""

import numpy as np

from blocks import ready
from crossent import CompareOptions
from crossent.comparison import compare_predictions, estimated
from crossent.drawn import drawn_from
from crossent.rule import Rule
from crossent.tally import tally_block
from golden_cases import examples, probs

ROWS = 400


def predictions(step=30):
    labels, a = examples(ROWS, 3, 2.0, (3, 5, 7))
    _, b = examples(ROWS, 3, 0.5, (11, 13, 17))
    return ready(
        {"NN1": probs(a), "NN2": probs(b)}, labels, ids=[f"image {row}" for row in range(ROWS)], step=step
    )


def merged(blocks):
    """The comparison of blocks that are merged in this order."""
    source = predictions()
    rule = Rule(source.models, source.classes, None, 20)
    first, *rest = (tally_block(block, rule) for block in blocks)
    for part in rest:
        first.merge(part)
    return estimated(source, first.finish(), CompareOptions())


def test_no_order_of_blocks_changes_what_is_drawn_or_shown():
    blocks = list(predictions().blocks())
    forth, back = merged(blocks), merged(blocks[::-1])
    assert np.array_equal(forth.drawn.rows, back.drawn.rows)
    for a, b in zip(forth.drawn.cross_entropy, back.drawn.cross_entropy, strict=True):
        assert np.array_equal(a, b)
    assert forth.drawn.half_from == back.drawn.half_from
    assert forth.pairs == back.pairs
    assert forth.to_html() == back.to_html()


def test_all_rows_are_drawn_in_their_order_while_the_sample_holds_them():
    drawn = compare_predictions(predictions(step=ROWS), CompareOptions()).drawn
    assert drawn.rows.tolist() == list(range(ROWS))
    source = predictions()
    for q, losses in zip(source.outputs.values(), drawn.cross_entropy, strict=True):
        np.testing.assert_allclose(losses, -np.log(q[np.arange(ROWS), source.labels]), rtol=1e-14)


def test_the_mark_is_the_smallest_of_the_fewest():
    found = compare_predictions(predictions(), CompareOptions())
    a, b = found.drawn.cross_entropy
    differences = np.sort(b - a)[::-1]
    assert found.drawn.half_from == (differences[found.pairs[0].half_of_gap - 1],)


def test_a_smaller_sample_draws_fewer_rows(monkeypatch):
    monkeypatch.setattr("crossent.sample.MOST_ROWS", 50)
    found = compare_predictions(predictions(), CompareOptions())
    assert len(found.drawn.rows) == 50
    assert np.all(np.diff(found.drawn.rows) > 0)
    page = found.to_html()
    assert "Drawn are 50 of 400, chosen by the hash of their ids." in page


def test_drawn_from_needs_no_pair():
    labels, a = examples(30, 3, 2.0, (3, 5, 7))
    source = ready({"NN1": probs(a)}, labels)
    rule = Rule(source.models, source.classes, None, 20)
    (block,) = source.blocks()
    assert drawn_from(tally_block(block, rule).finish(), ()).half_from == ()
