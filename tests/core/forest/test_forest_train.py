"""Training: kernel equals twin, threads and seeds, what the leaves say, how well it predicts."""

from __future__ import annotations

import math
from concurrent.futures import CancelledError

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.features.reference import features_reference
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest import train_kernels
from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.packing import compile_forest
from underbrush.core.forest.predict import predict_rows
from underbrush.core.forest.quantizer import Quantizer
from underbrush.core.forest.reference import leaf_rows, predict_reference
from underbrush.core.forest.train import TrainingOptions, train_forest, tree_state
from underbrush.core.forest.train_reference import (
    Numbers,
    draw_bag_reference,
    grow_reference,
    middle_edge_reference,
    mixed_reference,
)
from underbrush.errors import UsageError


def _classes_of(r: np.random.Generator, x: np.ndarray, n_classes: int, noise: float = 0.3) -> np.ndarray:
    """Labels 1..n_classes that depend on the first two columns and on chance; every class occurs."""
    score = x[0] + x[min(1, len(x) - 1)] + noise * r.normal(size=x.shape[1])
    rank = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    return (1 + rank * n_classes // len(rank)).astype(np.uint8)


def _sample(n: int, n_features: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    x = r.normal(size=(n_features, n)).astype(np.float32)
    return x, _classes_of(r, x, n_classes)


def _table(bins: np.ndarray, seed: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Bins, 255 edges a column at uneven distances, and centres between them."""
    r = np.random.default_rng(seed)
    edges = np.cumsum(np.exp(r.normal(0, 2, (len(bins), 255))), axis=1).astype(np.float32)
    sides = np.concatenate([edges[:, :1] - 1, edges, edges[:, -1:] + 1], axis=1)
    return bins, list(edges), (sides[:, 1:] + sides[:, :-1]) / np.float32(2)


def _grow(table, y, n_classes, mtry, seed, balance):
    """One tree by the kernels, as plain lists."""
    bins, edges, centres = table
    columns = Quantizer.from_columns(edges)
    n = len(y)
    order = np.argsort(y, kind="stable").astype(np.int64)
    starts = np.searchsorted(y[order], np.arange(n_classes + 1)).astype(np.int64)
    state, weight = np.array([seed], np.uint64), np.empty(n, np.int32)
    train_kernels.draw_bag(state, order, starts, balance, weight)
    tree = train_kernels.empty_tree(n)
    gains = np.zeros(len(bins))
    n_inner, n_leaves = train_kernels.grow(
        (bins, columns.edges, columns.starts, centres), y, (n_classes, mtry), state, weight, tree, gains
    )
    votes, weights = np.zeros((n_leaves, n_classes)), np.empty(n_leaves)
    train_kernels.count_leaves(tree[5], tree[4], votes, weights)
    leaves = np.rint(votes * weights[:, None]).astype(int)
    return [a[:n_inner].tolist() for a in tree[:4]], leaves.tolist(), weight, int(state[0])


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 700),
    n_columns=st.integers(1, 9),
    n_classes=st.sampled_from([1, 2, 3, 5, 60]),
    levels=st.sampled_from([1, 2, 12, 256]),
    balance=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_a_tree_of_the_kernels_is_that_of_the_twin(n, n_columns, n_classes, levels, balance, seed):
    r = np.random.default_rng(seed)
    n_classes = min(n, n_classes)
    bins = r.integers(0, levels, (n_columns, n)).astype(np.uint8)
    y = np.concatenate([np.arange(n_classes), r.integers(0, n_classes, n - n_classes)]).astype(np.uint8)
    mtry = max(1, round(math.sqrt(n_columns)))
    table = _table(bins, seed)
    arrays, leaves, weight, state = _grow(table, y, n_classes, mtry, seed, balance)
    numbers = Numbers(seed)
    expected_weight = draw_bag_reference(numbers, y, n_classes, balance)
    assert weight.tolist() == expected_weight.tolist()
    twin = grow_reference(table, y, (n_classes, mtry), numbers, expected_weight)
    assert arrays == [twin.limit, twin.column, twin.left, twin.right]
    assert leaves == twin.leaves
    assert state == numbers.state, "both drew the same number of random numbers"


@pytest.mark.parametrize("n_classes", [2, 3, 9])
def test_large_nodes_equal_the_twin(n_classes):
    """Enough rows for the histograms of every number of classes."""
    x, labels = _sample(3000, 5, n_classes)
    bins = np.argsort(np.argsort(x, axis=1), axis=1) * 256 // x.shape[1]
    y = (labels - 1).astype(np.uint8)
    table = _table(bins.astype(np.uint8), 7)
    arrays, leaves, weight, _ = _grow(table, y, n_classes, 2, 7, False)
    numbers = Numbers(7)
    twin = grow_reference(table, y, (n_classes, 2), numbers, draw_bag_reference(numbers, y, n_classes, False))
    assert weight.sum() == 3000
    assert arrays == [twin.limit, twin.column, twin.left, twin.right]
    assert leaves == twin.leaves


def test_random_numbers_are_those_of_splitmix64():
    """The published first outputs for the seed 1234567."""
    numbers = Numbers(1234567)
    golden = 0x9E3779B97F4A7C15
    outputs = [mixed_reference((numbers.state + golden * i) % 2**64) for i in (1, 2, 3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state = np.array([1234567], np.uint64)
    kernel = [int(train_kernels.below(state, 1000)) for _ in range(100)]
    assert kernel == [numbers.below(1000) for _ in range(100)]
    assert len({int(tree_state(s, t)[0]) for s in range(-3, 20) for t in range(100)}) == 2300


def _same(a: Forest, b: Forest) -> bool:
    return a.digest == b.digest and a.weights.tobytes() == b.weights.tobytes()


@pytest.mark.parametrize("n_classes", [2, 5])
def test_any_number_of_threads_gives_the_same_bytes(n_classes):
    x, labels = _sample(900, 12, n_classes)
    one = train_forest(x, labels, TrainingOptions(20, n_threads=1))
    for n_threads in (2, 3, 8, 64):
        more = train_forest(x, labels, TrainingOptions(20, n_threads=n_threads))
        assert _same(one.forest, more.forest)
        assert one.oob_score == more.oob_score
        assert one.importances.tobytes() == more.importances.tobytes()


def test_seeds_differ_and_repeat():
    x, labels = _sample(300, 6, 2)
    digests = [
        train_forest(x, labels, TrainingOptions(5, seed)).forest.digest for seed in (0, 1, 0, 2**64, -1)
    ]
    assert digests[0] == digests[2] == digests[3]
    assert len(set(digests)) == 3


def test_more_trees_begin_with_the_same_ones():
    x, labels = _sample(200, 4, 2)
    few = train_forest(x, labels, TrainingOptions(3)).forest
    many = train_forest(x, labels, TrainingOptions(9)).forest
    assert many.feature[: len(few.feature)].tolist() == few.feature.tolist()


def test_thresholds_are_edges_and_bins_decide_as_they_do():
    """A session and the same forest saved and loaded agree: the stored threshold is all there is."""
    x, labels = _sample(2000, 6, 3)
    trained = train_forest(x, labels, TrainingOptions(10))
    f = trained.forest
    inner = f.feature != LEAF
    for c in range(6):
        used = f.threshold[inner & (f.feature == c)]
        assert np.isin(used, trained.quantizer.column(c).astype(np.float64)).all()
    probabilities = predict_reference(f, x.T)
    assert (f.classes[probabilities.argmax(axis=1)] == labels).mean() > 0.97
    assert predict_rows(compile_forest(f), x.T).tobytes() == probabilities.tobytes()


@pytest.mark.parametrize(
    ("low", "high", "nearest"), [(0, 7, 6), (0, 8, 6), (6, 8, 7), (6, 7, 6), (0, 3, 1), (0, 2, 0)]
)
def test_a_threshold_is_the_edge_nearest_to_the_middle_of_values(low, high, nearest):
    edges = np.array([1, 2, 3, 4, 5, 6, 60, 150], np.float32)
    centres = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 33, 105, 200], np.float32)
    assert train_kernels.middle_edge(edges, centres, low, high) == nearest
    assert middle_edge_reference(edges, centres, low, high) == nearest


def test_a_gap_is_cut_in_the_middle_however_many_values_of_other_classes_lie_at_its_end():
    """A dark and a bright class, and a third one near the dark one that the other columns tell apart.

    Nearly all edges between dark and bright lie among the third class, at 12 to 13, where the middle of the
    ranks would be.
    """
    r = np.random.default_rng(0)
    values = np.concatenate([r.uniform(10, 11, 100), r.uniform(12, 13, 1000), r.uniform(199, 200, 100)])
    labels = np.repeat([1, 3, 2], [100, 1000, 100]).astype(np.uint8)
    x = np.stack([values, *[labels == 3] * 8]).astype(np.float32)
    forest = compile_forest(train_forest(x, labels, TrainingOptions(100)).forest)
    dark, bright = predict_rows(forest, np.array([[40, *[0] * 8], [170, *[0] * 8]], np.float32))
    assert dark[0] > 0.9
    assert bright[1] > 0.9


def test_leaves_hold_the_fractions_of_their_bag():
    """Each tree's leaves weigh n in all, and the weight of a leaf is what its votes were counted from."""
    x, labels = _sample(500, 3, 4)
    x = np.round(x)
    f = train_forest(x, labels, TrainingOptions(8)).forest
    leaf = f.feature == LEAF
    trees = np.searchsorted(f.roots, np.flatnonzero(leaf), side="right") - 1
    assert np.bincount(trees, weights=f.weights[f.left[leaf]]).tolist() == [500.0] * 8
    assert np.allclose(f.votes.sum(axis=1), 1)
    counts = f.votes * f.weights[:, None]
    assert np.abs(counts - np.rint(counts)).max() < 1e-9
    assert (f.votes.max(axis=1) < 1).any(), "rounded values tie, so some leaves are impure"


def test_rows_that_cannot_be_told_apart_give_their_true_share():
    x = np.zeros((3, 400), np.float32)
    labels = np.where(np.arange(400) < 100, 1, 2).astype(np.uint8)
    trained = train_forest(x, labels, TrainingOptions(50))
    assert (trained.forest.feature == LEAF).all()
    p = predict_rows(compile_forest(trained.forest), x.T[:1])[0]
    assert p[0] == pytest.approx(0.25, abs=0.02)
    assert trained.importances.tolist() == [0, 0, 0]
    balanced = train_forest(x, labels, TrainingOptions(50, balance=True)).forest
    assert predict_rows(compile_forest(balanced), x.T[:1])[0, 0] == pytest.approx(0.5, abs=0.02)


def test_further_columns_are_tried_until_one_improves():
    """One column of sixty tells the classes apart; every tree must still end pure."""
    labels = np.where(np.arange(80) % 2, 1, 2).astype(np.uint8)
    x = np.zeros((60, 80), np.float32)
    x[41] = labels
    trained = train_forest(x, labels, TrainingOptions(30))
    assert set(trained.forest.votes.ravel().tolist()) == {0.0, 1.0}
    assert trained.importances[41] == 1
    assert trained.oob_score == 1


def test_one_row_one_class_and_one_column():
    for x, labels in (
        (np.ones((1, 1), np.float32), [9]),
        (np.arange(6, dtype=np.float32)[None], [4] * 6),
    ):
        f = train_forest(x, np.array(labels, np.uint8), TrainingOptions(3)).forest
        assert f.classes.tolist() == [labels[0]]
        assert predict_rows(compile_forest(f), x.T).tolist() == [[1.0]] * x.shape[1]


@pytest.mark.parametrize(("n_classes", "n"), [(99, 3000), (255, 1500)])
def test_many_classes(n_classes, n):
    x, labels = _sample(n, 5, n_classes)
    f = train_forest(x, labels, TrainingOptions(6, n_threads=2)).forest
    assert f.classes.tolist() == list(range(1, n_classes + 1))
    assert predict_rows(compile_forest(f), x.T).tobytes() == predict_reference(f, x.T).tobytes()
    guess = f.classes[predict_reference(f, x.T).argmax(axis=1)].astype(int)
    assert np.abs(guess - labels).mean() < n_classes / 8


def test_thousands_of_columns():
    x, labels = _sample(150, 5000, 2)
    trained = train_forest(x, labels, TrainingOptions(4))
    assert trained.importances.sum() == pytest.approx(1)
    assert trained.forest.feature.max() > 1000


def test_out_of_bag_score_counts_only_trees_that_did_not_see_the_row():
    x, labels = _sample(250, 5, 3)
    options = TrainingOptions(12, seed=4)
    trained = train_forest(x, labels, options)
    f = trained.forest
    tally = np.zeros((250, 3), int)
    for t in range(12):
        numbers = Numbers(int(tree_state(4, t)[0]))
        weight = draw_bag_reference(numbers, labels - 1, 3, False)
        row = leaf_rows(f, int(f.roots[t]), x.T)
        for i in np.flatnonzero(weight == 0):
            tally[i, f.votes[row[i]].argmax()] += 1
    seen = tally.any(axis=1)
    assert trained.oob_score == (tally.argmax(axis=1)[seen] == labels[seen] - 1).mean()


def test_importances_find_the_columns_that_matter():
    r = np.random.default_rng(0)
    x = r.normal(size=(10, 2000)).astype(np.float32)
    labels = (1 + (x[3] + 0.5 * x[8] > 0)).astype(np.uint8)
    importances = train_forest(x, labels, TrainingOptions(30)).importances
    assert importances.argmax() == 3
    assert np.argsort(importances)[-2] == 8
    assert importances.sum() == pytest.approx(1)


def test_training_can_be_stopped_between_trees():
    x, labels = _sample(100, 3, 2)
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(CancelledError):
        train_forest(x, labels, TrainingOptions(1000), stop=stop)
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        (lambda x, y: (x.astype(np.float64), y), ValueError, "float32"),
        (lambda x, y: (x, y.astype(np.int64)), ValueError, "uint8"),
        (lambda x, y: (x, y[:-1]), ValueError, "labels"),
        (lambda x, y: (x[:, :0], y[:0]), UsageError, "no labelled pixels"),
        (lambda x, y: (x[:0], y), UsageError, "no features"),
        (lambda x, y: (x, y * 0), ValueError, "label 0"),
        (lambda x, y: (x + np.float32(np.inf), y), ValueError, "finite"),
        (lambda x, y: (x * np.float32(np.nan), y), ValueError, "finite"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(change, error, what):
    x, labels = _sample(20, 3, 2)
    with pytest.raises(error, match=what):
        train_forest(*change(x, labels))


def test_no_trees_are_refused():
    with pytest.raises(UsageError, match="0 trees"):
        train_forest(*_sample(20, 3, 2), TrainingOptions(n_trees=0))


def test_predicts_held_out_rows_as_well_as_scikit_learn():
    """The mean of three forests each: one forest alone varies by half a point."""
    sklearn = pytest.importorskip("sklearn.ensemble")
    r = np.random.default_rng(1)
    x = r.normal(size=(20, 9000)).astype(np.float32)
    labels = (1 + (np.sin(2 * x[0]) + x[1] + 0.4 * r.normal(size=9000) > 0)).astype(np.uint8)
    rows, answers = np.ascontiguousarray(x[:, :1500]), labels[:1500]
    ours, theirs = [], []
    for seed in range(3):
        forest = train_forest(rows, answers, TrainingOptions(50, seed, n_threads=2)).forest
        guess = forest.classes[predict_rows(compile_forest(forest), x[:, 1500:].T).argmax(axis=1)]
        ours.append((guess == labels[1500:]).mean())
        other = sklearn.RandomForestClassifier(50, random_state=seed, n_jobs=2).fit(rows.T, answers)
        theirs.append(other.score(x[:, 1500:].T, labels[1500:]))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.006)


def test_scores_real_images_as_scikit_learn_does(data):
    """Scribbles of a few real images, all features: the mean accuracy is within 0.3 points."""
    sklearn = pytest.importorskip("sklearn.ensemble")
    differences = []
    for path in sorted(data.glob("images/nuclei_fluo_256/*_scribble.tif"))[:3]:
        base = str(path).removesuffix("_scribble.tif")
        image, scribble, truth = (tifffile.imread(f"{base}{end}.tif") for end in ("", "_scribble", "_gt"))
        window = (slice(0, 1), *(slice(0, s) for s in image.shape))
        features = features_reference(image[None, None], FeatureSelection.all().terms(False), window)[:, 0]
        pixels = features.reshape(len(features), -1)
        at = np.flatnonzero(scribble)
        x, labels = np.ascontiguousarray(pixels[:, at]), scribble.ravel()[at].astype(np.uint8)
        forest = train_forest(x, labels, TrainingOptions(n_threads=2)).forest
        guess = forest.classes[predict_rows(compile_forest(forest), pixels.T).argmax(axis=1)]
        other = sklearn.RandomForestClassifier(100, random_state=0, n_jobs=2).fit(x.T, labels)
        differences.append(
            (guess == truth.ravel()).mean() - (other.predict(pixels.T) == truth.ravel()).mean()
        )
    assert len(differences) == 3
    assert abs(np.mean(differences)) < 0.003


def test_how_the_caller_holds_the_data_does_not_matter():
    """Read-only, Fortran order, strided: the same forest."""
    x, labels = _sample(200, 4, 3)
    expected = train_forest(x, labels, TrainingOptions(3)).forest.digest
    still, wide = x.copy(), np.zeros((4, 400), np.float32)
    wide[:, ::2] = x
    still.flags.writeable = False
    double = np.repeat(labels, 2)
    double.flags.writeable = False
    for rows in (still, np.asfortranarray(x), wide[:, ::2]):
        assert train_forest(rows, double[::2], TrainingOptions(3)).forest.digest == expected
