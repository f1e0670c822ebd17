"""The comparisons whose reports are tested and looked at."""

from pathlib import Path

import numpy as np
from PIL import Image

from crossent import CompareOptions, compare
from golden_cases import examples, weyl

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HOSTILE = (
    "</script><b>",
    '"><img src=x onerror=alert(1)>',
    "x" * 300,
    "שלום עולם",
    "🐕‍🦺 {{ 7*7 }}",
    "a\u202eb\x00\x1b[31m",
    "</style><script>document.title='taken'</script>",
    "<svg onload=alert(1)>&amp;",
)


def cifar():
    """Two ResNets on the test images of CIFAR-10."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    files = {name: DATA / "predictions" / f"cifar10_resnet50_{name}.npz" for name in ("brier", "focal")}
    return compare(files, classes=names)


def large(rows=1_500, classes=1_000, models=8):
    """Many models and classes; the later ones know more."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, rows)
    shared, ease = rng.normal(size=(rows, classes)).astype(np.float32), rng.normal(5, 3, rows)
    names = ["resnet-18", "resnet-34", "resnet-50", "vit-base-patch16-224.augreg2_in21k_ft_in1k"]
    names += [f"convnext-{size}" for size in ("tiny", "small", "base", "large")]
    sources = {}
    for place, name in enumerate(names[:models]):
        logits = shared + rng.normal(size=(rows, classes)).astype(np.float32)
        logits[np.arange(rows), labels] += ease + 0.3 * place
        sources[name] = logits
    return compare(sources, labels=labels, classes=[f"synset {i:04}" for i in range(classes)], kind="logits")


def two(rows=400, **options):
    """Two models of which the second is worse, ten classes, with ids and a column to slice by."""
    labels = (weyl(rows, 2) * 10).astype(np.int64)
    noise = np.stack([weyl(rows, root) for root in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)], axis=1)
    good = 4 * (noise - 0.5)
    bad = 4 * (np.roll(noise, 7, axis=0) - 0.5)
    good[np.arange(rows), labels] += 3
    bad[np.arange(rows), labels] += 1
    ids = [f"image {row}" for row in range(rows)]
    rooms = [("kitchen", "garden", "hall")[row % 3] for row in range(rows)]
    return compare(
        {
            "good": {"id": ids, "logits": good, "label": labels, "room": rooms},
            "bad": {"id": ids, "logits": bad},
        },
        classes=[f"digit {i}" for i in range(10)],
        options=CompareOptions(by="room", **options),
    )


def hostile():
    """Names that try to be something else than text: models, classes, ids, slices."""
    labels, a = examples(120, 3, 2.0, (3, 5, 7))
    _, b = examples(120, 3, 0.5, (11, 13, 17))
    ids = [f"{HOSTILE[row % len(HOSTILE)]} {row}" for row in range(120)]
    rooms = [HOSTILE[row % len(HOSTILE)] for row in range(120)]
    sources = {
        HOSTILE[0]: {"id": ids, "logits": a, "label": labels, "room": rooms},
        HOSTILE[1]: {"id": ids, "logits": b},
        HOSTILE[2]: {"id": ids, "logits": b[:, ::-1].copy()},
    }
    options = CompareOptions(by="room")
    return compare(sources, classes=[HOSTILE[6], HOSTILE[3], HOSTILE[4]], options=options)


def photographs(folder, count=120):
    """Two models on images that lie in ``folder``: upright ones, a turned one, a broken one, a missing one."""
    rng = np.random.default_rng(0)
    ids = [f"{('cat', 'dog')[row % 2]}/{row}.jpg" for row in range(count)]
    for name in ids:
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        small = Image.fromarray(rng.integers(0, 255, (6, 9, 3), np.uint8))
        small.resize((480, 320), Image.Resampling.BICUBIC).save(path, quality=85)
    labels = [name.split("/")[0] for name in ids]
    right = np.array([label == "dog" for label in labels], int)
    logits = rng.normal(size=(2, count, 2))
    logits[0, np.arange(count), right] += 2
    return compare(
        {"NN1": {"id": ids, "logits": logits[0]}, "NN2": {"id": ids, "logits": logits[1]}},
        labels={"id": ids, "label": labels},
        classes=["cat", "dog"],
    )


def ids_worst_first(comparison):
    """The ids of the gallery, in its order."""
    pair = comparison.pairs[0]
    return [example.id for example in (*pair.b_worse[:10], *pair.a_worse[:10])]
