"""Outside of a mask there is no result: on the screen the same bytes as in the file that is exported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from engine.live_scenes import KINDS, Lanes, image_of, recipe_of, settle
from engine.test_live import RESULTS, a_view, looking, thinned
from session_scenes import Heard, blobs, both_classes, new_project, wait_for
from underbrush.cli.main import run
from underbrush.core.looking import plane_size
from underbrush.core.results import segmentation, uncertainty
from underbrush.engine import products
from underbrush.engine.arrays import predict_array
from underbrush.engine.session import Session
from underbrush.engine.views import TileDone, View, ViewNotice
from underbrush.errors import ProjectError
from underbrush.project.commands import SetMask, Undo
from underbrush.project.paths import linked_source
from underbrush.sources.array import ArrayImage

ALL = ("segmentation", "probability:1", "probability:2", "uncertainty")


class Masked(Lanes):
    """Images with a mask each."""

    def __init__(self, mask, **images):
        super().__init__(**images)
        self.mask = mask

    def get(self, lane):
        return replace(super().get(lane), mask=self.mask, results="masked")


@pytest.mark.parametrize("kind", KINDS)
def test_every_plane_and_level_is_zero_outside_and_else_as_without_a_mask(kind):
    image = image_of(kind)
    recipe = recipe_of(image)
    whole, _ = predict_array(image, recipe)
    shape = image.shape5
    # For a movie the mask of one time stands for all; for colours one of several channels says enough.
    inside = np.random.default_rng(7).random((1, 1, *shape[2:])) < 0.5
    inside[..., : shape[4] // 4] = False
    pixels = np.concatenate([np.zeros_like(inside), inside], axis=1) if kind == "rgb" else inside
    mask = ArrayImage(pixels.astype(np.uint8), "tczyx", "mask")
    hidden = ~np.broadcast_to(inside, (shape[0], *inside.shape[1:]))
    with looking(Masked(mask, a=image)) as (live, heard):
        live.set_recipe(recipe)
        for plane in ("xy", "xz", "zy") if shape[2] > 1 else ("xy",):
            for level in (0, 1):
                heard.clear()
                view = a_view(shape, plane, level, t=shape[0] - 1, layers=RESULTS)
                live.look(view)
                settle(live)
                size = plane_size(shape, plane, level)
                want = thinned(whole, view.t, plane, view.slice, level)
                gone = thinned(hidden, view.t, plane, view.slice, level)[0]
                full = want[None, :, None]
                for k in (1, 3):
                    assert np.array_equal(
                        heard.plane(f"probability:{k}", size), np.where(gone, 0, want[k - 1])
                    )
                classes = np.where(gone, 0, segmentation(full)[0, 0, 0])
                assert np.array_equal(heard.plane("segmentation", size), classes)
                doubt = np.where(gone, np.float32(0), uncertainty(full)[0, 0, 0])
                assert np.array_equal(heard.plane("uncertainty", size), doubt)
        at = tuple(int(n) for n in np.argwhere(hidden[:, 0])[0])
        assert np.array_equal(live.probabilities_at("a", *at), np.zeros(3))
        at = tuple(int(n) for n in np.argwhere(~hidden[:, 0])[0])
        assert live.probabilities_at("a", *at).sum() == pytest.approx(1)


def test_what_lies_wholly_outside_is_not_computed(monkeypatch):
    image = image_of("2d")
    inside = np.zeros((300, 420), np.uint8)
    inside[:200, :200] = 1
    tiles = []
    real = products.predict_tile
    monkeypatch.setattr(products, "predict_tile", lambda *a: (tiles.append(a[1].valid), real(*a))[1])
    with looking(Masked(ArrayImage(inside, "yx", "mask"), a=image)) as (live, heard):
        live.set_recipe(recipe_of(image))
        live.look(a_view(image.shape5, layers=("segmentation",)))
        settle(live)
        assert len(heard.tiles) > len(tiles) == 1
        assert not heard.plane("segmentation", (420, 300))[200:].any()


def test_a_mask_of_another_size_is_refused_with_both_sizes():
    image = image_of("movie")
    with looking(Masked(ArrayImage(np.ones((2, 150, 140), np.uint8), "tyx", "m"), a=image)) as (live, heard):
        live.set_recipe(recipe_of(image))
        live.look(a_view(image.shape5))
        settle(live)
        assert not heard.tiles
        said = [e.sentence for e in heard if isinstance(e, ViewNotice)]
        assert len(said) == 1 and "the mask is 2 x 150 x 140 (tyx)" in said[0]


@pytest.fixture
def masked(tmp_path):
    """A session whose first image has a mask, trained, and the mask's values."""
    file = new_project(tmp_path)
    inside = np.zeros((96, 120), np.uint8)
    inside[20:70, 10:100] = 3
    tifffile.imwrite(tmp_path / "mask.tif", inside, metadata={"axes": "YX"})
    with Session.open(file, threads=2, idle=1e9) as session:
        session.set_live(True)
        number = both_classes(session)
        mask = linked_source(str(tmp_path / "mask.tif"), "yx", (96, 120))
        session.apply("tab", number, SetMask("a1", mask))
        wait_for(lambda: session.training.state == "done" and session.project().forest is not None)
        yield session, inside


def seen(session, heard, layer):
    """The newest tiles of a layer, (y, x)."""
    found = np.full((96, 120), 99, np.float64)
    for tile in heard.of(TileDone):
        if tile.layer == layer and tile.key == session.lesson.recipe.key:
            p = tile.place
            found[p.y : p.y + p.height, p.x : p.x + p.width] = tile.array
    return found


def look(session):
    session.look(View("tab", "main", "a1", 0, "xy", 0, 0, (0, 0, 120, 96), ALL))


def test_the_window_shows_the_bytes_that_are_exported(masked, tmp_path):
    session, inside = masked
    heard = Heard(session)
    look(session)
    wait_for(lambda: all(seen(session, heard, layer).max() < 99 for layer in ALL))
    common = [
        "predict",
        str(session.path),
        str(tmp_path / "image0.tif"),
        "--mask",
        str(tmp_path / "mask.tif"),
    ]
    for result in ("segmentation", "probabilities", "uncertainty"):
        out = tmp_path / f"{result}.npy"
        assert run([*common, "--result", result, "--output", str(out), "--no-progress"]) == 0
        file = np.load(out)
        layers = ALL[1:3] if result == "probabilities" else [result]
        shown = np.stack([seen(session, heard, layer) for layer in layers], axis=-1)
        assert np.array_equal(shown.reshape(file.shape), file)
        assert not file[inside == 0].any() and file[inside > 0].any()


def test_taking_the_mask_away_and_undo_are_seen_at_once(masked):
    session, inside = masked
    heard = Heard(session)
    look(session)
    wait_for(lambda: seen(session, heard, "segmentation").max() < 99)
    assert not seen(session, heard, "segmentation")[inside == 0].any()
    number = session.last_number("tab") + 1
    session.apply("tab", number, SetMask("a1", None))
    wait_for(lambda: seen(session, heard, "segmentation")[inside == 0].min() > 0)
    session.apply("tab", number + 1, Undo())
    wait_for(lambda: not seen(session, heard, "segmentation")[inside == 0].any())


def test_no_uncertain_place_lies_outside(masked):
    session, inside = masked
    spots = []
    while (spot := session.uncertain.next(60)) is not None:
        spots.append(spot)
    assert spots and all(inside[max(0, s.y - 8) : s.y + 8, max(0, s.x - 8) : s.x + 8].any() for s in spots)


def test_a_mask_that_is_gone_is_said_and_nothing_wrong_is_shown(masked, tmp_path):
    session, _ = masked
    (tmp_path / "mask.tif").rename(tmp_path / "elsewhere.tif")
    number = session.last_number("tab") + 1
    session.apply("tab", number, SetMask("a1", None))
    session.apply("tab", number + 1, Undo())
    heard = Heard(session)
    look(session)
    wait_for(lambda: heard.of(ViewNotice))
    assert "mask" in heard.of(ViewNotice)[0].sentence and not heard.of(TileDone)
    with pytest.raises(ProjectError, match="mask"):
        session.mask("a1")
    # The image itself and training go on.
    assert session.image("a1").shape5 == (1, 1, 1, 96, 120)
    assert np.array_equal(session.image("a1").read()[0, 0, 0], blobs())
