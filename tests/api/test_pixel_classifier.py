"""The pixel classifier on arrays: every kind of image, every order of axes, and what it refuses."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as TheirNotFittedError

import underbrush as ub
from underbrush.core.features.catalog import FILTERS
from underbrush.core.forest.reference import predict_reference
from underbrush.engine import arrays
from underbrush.errors import ArgumentError, MismatchError, NotFittedError, UnderbrushError

SCALES = (0.7, 1.6)


def blobs(shape, seed=0):
    """Grainy ground with bright squares, float32 of ``shape`` (..., y, x); and its truth, 1 or 2."""
    rng = np.random.default_rng(seed)
    truth = np.ones(shape, np.uint8)
    truth[..., 8:20, 10:24] = 2
    truth[..., 26:36, 30:44] = 2
    return (rng.normal(0, 0.35, shape) + truth).astype(np.float32), truth


def strokes(truth, seed=0, share=0.1):
    labels = truth.copy()
    labels[np.random.default_rng(seed).random(truth.shape) > share] = 0
    return labels


@pytest.fixture(scope="module")
def flat():
    image, truth = blobs((40, 50))
    return image, truth, strokes(truth)


@pytest.fixture(scope="module")
def model(flat):
    return ub.PixelClassifier(n_trees=10, scales=SCALES).fit(flat[0], flat[2], axes="yx")


def test_probabilities_are_the_forest_on_the_features(flat, model):
    image, truth, _ = flat
    got = model.predict_proba(image, axes="yx")
    features = ub.compute_features(image, axes="yx", selection=model.selection_)
    want = predict_reference(model.forest_, features.reshape(-1, features.shape[-1]))
    assert got.dtype == np.float32 and got.shape == (40, 50, 2)
    assert np.array_equal(got.reshape(-1, 2), want)
    segmentation = model.predict(image, axes="yx")
    assert segmentation.dtype == np.uint8
    assert np.array_equal(segmentation, got.argmax(-1) + 1)
    assert (segmentation == truth).mean() > 0.95
    uncertainty = model.predict_uncertainty(image, axes="yx")
    assert uncertainty.dtype == np.float32
    assert np.array_equal(uncertainty, 1 - np.abs(got[..., 0] - got[..., 1]))


def test_fitted_attributes(model):
    names = model.selection_.names(1, False)
    assert model.feature_names_ == names and len(names) == 2 * (4 + 2 * 2)
    assert all(name.endswith("in 2D") or "in 2D [" in name for name in names)
    assert model.classes_.tolist() == [1, 2] and model.class_names_ == ("Class 1", "Class 2")
    assert model.feature_importances_.shape == (len(names),)
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert 0.8 < model.oob_score_ <= 1


def test_tiles_and_threads_do_not_change_a_byte(flat, monkeypatch):
    image, _, labels = flat
    image, labels = np.tile(image, (3, 3)), np.tile(labels, (3, 3))
    one = ub.PixelClassifier(n_trees=5, scales=SCALES).fit(image, labels)
    want = one.predict_proba(image), one.predict(image), one.predict_uncertainty(image)
    planned = []
    plan = arrays.plan_tiles

    def small(box, shape, halo, cost, budget, threads):
        grid = plan(box, shape, halo, cost, cost.of((1, 1, 1, 32, 32), halo, shape))
        planned.append(len(grid))
        return grid

    monkeypatch.setattr(arrays, "plan_tiles", small)
    other = ub.PixelClassifier(n_trees=5, scales=SCALES, n_jobs=3).fit([image], [labels])
    got = other.predict_proba(image), other.predict(image), other.predict_uncertainty(image)
    assert min(planned) > 3
    assert [a.tobytes() for a in got] == [a.tobytes() for a in want]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((40, 50), "yx"), ((12, 40, 50), "zyx"), ((3, 40, 50), "tyx"), ((2, 12, 40, 50), "tzyx")],
    ids=["2D", "3D", "movie", "movie of volumes"],
)
@pytest.mark.parametrize("channels", [None, 3])
def test_every_kind_of_image_in_every_order(shape, axes, channels):
    image, truth = blobs(shape)
    labels = strokes(truth, share=0.02 if len(shape) > 2 else 0.1)
    if channels:
        image = np.stack([image, image[..., ::-1], image * 0], axis=-1)
        axes += "c"
    selection = ub.FeatureSelection.all((1.0,))
    model = ub.PixelClassifier(selection, n_trees=5).fit(image, labels, axes=axes)
    want = model.predict_proba(image, axes=axes)
    assert want.shape == (*shape, 2)
    assert (model.predict(image, axes=axes) == truth).mean() > 0.9
    volume = "z" in axes
    assert model.selection_.in_2d == (not volume,)
    assert len(model.feature_names_) == (channels or 1) * (4 + 2 * (3 if volume else 2))
    # The same image with its axes turned round, the labels with them and with a channel axis of size 1.
    back = axes[::-1]
    turned, plain = image.T, axes.replace("c", "")
    around = labels.T[np.newaxis] if channels else labels.T
    same = ub.PixelClassifier(selection, n_trees=5).fit(turned, around, axes=back)
    # Rows of training come in the order t z y x whatever the order of axes: the same forest.
    assert same.forest_.digest == model.forest_.digest
    got = same.predict_proba(turned, axes=back)
    order = [back.replace("c", "").index(a) for a in plain]
    assert got.transpose(*order, len(order)).tobytes() == want.tobytes()
    assert np.array_equal(same.predict(turned, axes=back).T, model.predict(image, axes=axes))


def test_axes_have_the_usual_defaults(flat):
    image, _, labels = flat
    rgb = np.stack([image] * 3, axis=-1)
    model = ub.PixelClassifier(n_trees=3, scales=(1.0,)).fit(rgb, labels)
    assert np.array_equal(model.predict_proba(rgb), model.predict_proba(rgb, axes="yxc"))
    assert len(model.feature_names_) == 3 * 8


def test_images_of_different_sizes_and_types(flat):
    image, _, labels = flat
    counts = np.clip(image * 60 + 60, 0, 255).astype(np.uint8)
    second, truth = blobs((44, 48), seed=4)
    wide = np.clip(second * 60 + 60, 0, 255).astype(">u2")
    fortran = np.asfortranarray(wide)
    fortran.flags.writeable = False
    model = ub.PixelClassifier(n_trees=10, scales=SCALES).fit(
        [counts, fortran], [labels, strokes(truth).astype(float)]
    )
    assert (model.predict(wide) == truth).mean() > 0.95
    # A list of one is the same as one.
    one = ub.PixelClassifier(n_trees=3, scales=SCALES).fit(counts, labels)
    listed = ub.PixelClassifier(n_trees=3, scales=SCALES).fit([counts], [labels])
    assert one.forest_.digest == listed.forest_.digest


def test_opened_images_are_taken_as_they_are(tmp_path, flat, model):
    image, _, labels = flat
    path = tmp_path / "image.npy"
    np.save(path, image)
    with ub.open_image(path) as opened:
        same = ub.PixelClassifier(n_trees=10, scales=SCALES).fit(opened, labels)
        assert same.forest_.digest == model.forest_.digest
        assert np.array_equal(same.predict_proba(opened), model.predict_proba(image))


def test_a_class_without_labels_gets_zeros(flat):
    image, _, labels = flat
    gap = np.where(labels == 2, 3, labels)
    model = ub.PixelClassifier(n_trees=5, scales=SCALES).fit(image, gap)
    assert model.classes_.tolist() == [1, 2, 3] and len(model.class_names_) == 3
    got = model.predict_proba(image)
    assert got.shape == (40, 50, 3) and not got[..., 1].any()
    assert set(np.unique(model.predict(image))) == {1, 3}
    near = ub.PixelClassifier(n_trees=5, scales=SCALES).fit(image, labels)
    assert np.array_equal(got[..., [0, 2]], near.predict_proba(image))


def test_strokes_near_what_is_not_finite_are_left_out(flat, model):
    image, _, labels = flat
    broken = image.copy()
    broken[30, 8] = np.nan
    with pytest.warns(UserWarning, match=r"^\d+ labelled pixels are left out: .* NaN or infinite\.$"):
        fitted = ub.PixelClassifier(n_trees=10, scales=SCALES).fit(broken, labels)
    far = labels.copy()
    reach = model.selection_.halo(False)
    far[30 - reach.y : 31 + reach.y, max(0, 8 - reach.x) : 9 + reach.x] = 0
    assert 0 < (far > 0).sum() < (labels > 0).sum()
    assert (
        fitted.forest_.digest == ub.PixelClassifier(n_trees=10, scales=SCALES).fit(image, far).forest_.digest
    )
    with pytest.warns(UserWarning, match=r"^1 pixel is NaN, infinite .* there and within reach"):
        got = model.predict_proba(broken)
    assert not got[30, 8].any() and got[0, 40].sum() == pytest.approx(1)
    with pytest.warns(UserWarning, match="1 pixel is NaN"):
        assert model.predict(broken)[30, 8] == 1
    only = np.where(np.arange(50) < 10, labels, labels * (labels == 1))
    only[30, 8] = 2
    with pytest.raises(ArgumentError, match=r"only class 1 once \d+ near pixels that are not finite"):
        ub.PixelClassifier(n_trees=1, scales=(0.7,)).fit(
            broken, np.where((only == 2) & (broken == broken), 0, only)
        )


def test_choices_of_features(flat):
    image, _, labels = flat
    recommended = ub.PixelClassifier("recommended", n_trees=1).fit(image, labels)
    assert recommended.selection_.scales == (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
    small = image[:20, :24], labels[:20, :24]
    both = ub.PixelClassifier("recommended", n_trees=1).fit([image, small[0]], [labels, small[1]])
    assert max(both.selection_.scales) == 5.0
    with pytest.raises(ub.UnderbrushError, match=r"image 2: the scale 10 needs 36 pixels in y"):
        ub.PixelClassifier(n_trees=1).fit([image, small[0]], [labels, small[1]])
    chosen = ub.FeatureSelection((FILTERS[0].id,), (1.0, 3.5), ((True, False),))
    assert len(ub.PixelClassifier(chosen, n_trees=1).fit(image, labels).feature_names_) == 1


def test_2d_and_3d_features(flat):
    image, _, labels = flat
    volume, truth = blobs((8, 40, 50), seed=2)
    volume_labels = strokes(truth, share=0.02)
    sliced = ub.PixelClassifier(n_trees=3, scales=(1.0,), in_2d=True).fit(volume, volume_labels)
    by_slice = sliced.predict_proba(volume)
    # A slice alone has another offset (see `scene_of`): its features may differ in the last bits.
    assert np.abs(by_slice[3] - sliced.predict_proba(volume[3])).mean() < 1e-3
    deep = ub.PixelClassifier(n_trees=3, scales=(1.0,)).fit(volume, volume_labels)
    assert not np.array_equal(deep.predict_proba(volume), by_slice)
    with pytest.raises(
        MismatchError, match="this 2D image gives 8 features, the classifier was trained on 10"
    ):
        deep.predict_proba(image)
    mixed = ub.PixelClassifier(n_trees=3, scales=(1.0, 1.6), in_2d=[True, True])
    assert mixed.fit([image, volume], [labels, volume_labels]).predict(volume).shape == volume.shape
    with pytest.raises(ArgumentError, match="2D images and volumes, and features in 3D; give in_2d=True"):
        ub.PixelClassifier(n_trees=3, scales=(1.0,)).fit([image, volume], [labels, volume_labels])
    with pytest.raises(UnderbrushError, match="2D switches do not fit the scales"):
        ub.PixelClassifier(n_trees=3, scales=(1.0,), in_2d=[True, False]).fit(image, labels)


def _replaced(labels, value):
    spoilt = labels.astype(np.float64)
    spoilt[0, 0] = value
    return spoilt


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda i, y: (i, y[:-1]), r"labels: the label image has shape \(39, 50\) \(yx\), its image \(40"),
        (lambda i, y: (i, y[None]), r"labels: they have shape \(1, 40, 50\), their image \(40, 50\) \(yx\)"),
        (lambda i, y: (i, y * 0), "the labels hold no class; label pixels of at least two classes"),
        (lambda i, y: (i, y == 1), "the labels hold only class 1; label pixels of at least two classes"),
        (lambda i, y: (i, _replaced(y, -1)), r"labels: the labels go from -1.0 to 2.0; give whole numbers"),
        (lambda i, y: (i, _replaced(y, 256).astype(int)), "labels: the labels go from 0 to 256"),
        (lambda i, y: (i, _replaced(y, 1.5)), "labels: the labels .*; give whole numbers"),
        (lambda i, y: (i, _replaced(y, np.nan)), "labels: the labels .*; give whole numbers"),
        (lambda i, y: (i, y.astype(str)), "labels: the array has values of type <U"),
        (lambda i, y: (i.astype(complex), y), "image: the array has values of type complex"),
        (lambda i, y: ([i, i], [y]), "there are 2 images and 1 arrays of labels; give one for each"),
        (lambda i, y: ([i], y), "there is a list of images but no list of labels"),
        (lambda i, y: ([i, i], [y, y[:-1]]), "labels 2: the label image has shape"),
        (lambda i, y: ([], []), "the list of images is empty"),
        (lambda i, y: ([i, np.stack([i] * 3, -1)], [y, y]), "image 2: it has 3 channels and the first"),
        (lambda i, y: (i[0], y[0]), "the data have 1 axis"),
    ],
)  # fmt: skip
def test_what_fit_refuses(flat, spoil, problem):
    image, _, labels = flat
    with np.errstate(invalid="ignore"), pytest.raises(UnderbrushError, match=problem) as caught:
        ub.PixelClassifier(n_trees=1, scales=(1.0,)).fit(*spoil(image, labels))
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"features": "some"}, "features is 'some'; give 'all', 'recommended' or a FeatureSelection"),
        ({"features": None}, "features is None"),
        ({"features": "recommended", "scales": (1.0,)}, "which brings its own; give scales together with"),
        ({"scales": 3}, "scales is 3; give a list of sigmas"),
        ({"scales": ()}, "no features are selected"),
        ({"scales": (-1.0,)}, "the scale -1.0 is not a positive sigma"),
        ({"in_2d": "yes"}, "in_2d is 'yes'"),
        ({"n_trees": 0}, "n_trees is 0"),
        ({"n_jobs": "two"}, "n_jobs is 'two'; give a whole number"),
    ],
)
def test_parameters_are_checked_by_fit(flat, params, problem):
    with pytest.raises(UnderbrushError, match=problem):
        ub.PixelClassifier(**params).fit(flat[0], flat[2])


def test_too_many_labels_are_refused_before_anything_is_computed(flat, monkeypatch):
    monkeypatch.setattr("underbrush.api.pixel_classifier.memory_cap", lambda _: 1000)
    with pytest.raises(UnderbrushError, match=r"training on \d+ labelled pixels with 16 features needs"):
        ub.PixelClassifier(scales=SCALES).fit(flat[0], flat[2])


def test_what_predict_refuses(flat, model):
    image = flat[0]
    with pytest.raises(MismatchError, match="the image has 3 channels, the project was trained on 1"):
        model.predict(np.stack([image] * 3, -1))
    with pytest.raises(UnderbrushError, match=r"the scale 1\.6 needs 7 pixels in y, the image has 5"):
        model.predict(image[:5])
    with pytest.raises(UnderbrushError, match="axes 'zyx' name 3 axes but the data have 2"):
        model.predict(image, axes="zyx")
    with pytest.raises(ArgumentError, match="array: it is no array"):
        model.predict([[1, 2], [3]])


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_uncertainty", "save"])
def test_not_fitted(method, tmp_path):
    with pytest.raises(NotFittedError, match="this PixelClassifier is not fitted yet") as caught:
        getattr(ub.PixelClassifier(), method)(tmp_path / "p.ilp" if method == "save" else np.zeros((9, 9)))
    assert isinstance(caught.value, TheirNotFittedError)
    assert not list(tmp_path.iterdir())


def test_clone_pickle_and_parameters(flat, model):
    fresh = clone(model)
    assert fresh.get_params() == model.get_params() and not hasattr(fresh, "classes_")
    assert repr(model) == "PixelClassifier(n_trees=10, scales=(0.7, 1.6))"
    again = pickle.loads(pickle.dumps(model))
    assert again.predict_proba(flat[0]).tobytes() == model.predict_proba(flat[0]).tobytes()
    before = dict(vars(model))
    model.predict(flat[0])
    assert vars(model) == before
    assert fresh.set_params(n_trees=2, n_jobs=2).fit(flat[0], flat[2]).forest_.n_trees == 2


def test_neither_images_nor_labels_are_changed_or_kept(flat):
    image, _, labels = (a.copy() for a in flat)
    copies = image.copy(), labels.copy()
    model = ub.PixelClassifier(n_trees=2, scales=SCALES).fit(image, labels)
    want = model.predict_proba(flat[0])
    assert np.array_equal(image, copies[0]) and np.array_equal(labels, copies[1])
    image[:], labels[:] = 0, 0
    assert np.array_equal(model.predict_proba(flat[0]), want)
