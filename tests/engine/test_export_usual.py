"""Format and path of results where nobody chose any: set once for all projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from underbrush.cli.predict_options import usual_place
from underbrush.engine.export_usual import fixed_settings, store_usual, usual_wish
from underbrush.engine.export_wish import Wish, wish_of
from underbrush.engine.naming import DEFAULT_PATTERN
from underbrush.errors import OutputError, UsageError
from underbrush.files import FileLayer, using
from underbrush.project.schema import ExportSettings


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config" / "config.toml"
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(path))
    for name in ("EXPORT_FORMAT", "EXPORT_NAME"):
        monkeypatch.delenv(f"UNDERBRUSH_{name}", raising=False)
    return path


def test_nothing_set_is_our_own_default(config: Path) -> None:
    assert usual_wish() == Wish()
    assert usual_place(None, None) == (DEFAULT_PATTERN, "tiff")


def test_what_is_set_is_that_of_projects_without_a_choice_and_of_the_command_line(config: Path) -> None:
    store_usual("h5", "out/{nickname}_{result}.h5")
    assert (
        config.read_text() == 'export_format = "compressed hdf5"\nexport_name = "out/{nickname}_{result}"\n'
    )
    usual = usual_wish()
    assert (usual.format, usual.pattern) == ("compressed hdf5", "out/{nickname}_{result}")
    assert wish_of(ExportSettings(), "yx", usual) == usual
    chosen = ExportSettings(format="npy", filename="x/{nickname}")
    assert wish_of(chosen, "yx", usual).format == "npy"
    # Of the command line only what it does not say itself.
    assert usual_place(None, None) == ("{project_dir}/out/{nickname}_{result}", "compressed hdf5")
    assert usual_place("a.npy", None) == ("a.npy", None)
    assert usual_place("a", None) == ("a", "compressed hdf5")
    assert usual_place("a", "png") == ("a", "png")


def test_other_lines_of_the_file_stay(config: Path) -> None:
    config.parent.mkdir()
    config.write_text('# of the lab\njobs = 3  # not more\nexport_format = "npy"\n')
    store_usual("png", None)
    assert config.read_text() == '# of the lab\njobs = 3  # not more\nexport_format = "png"\n'
    store_usual("tiff", "{project}_results/{nickname}_{result}")
    assert config.read_text() == "# of the lab\njobs = 3  # not more\n"


def test_the_environment_goes_before_the_file_and_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_usual("npy", None)
    assert fixed_settings() == ()
    monkeypatch.setenv("UNDERBRUSH_EXPORT_FORMAT", "png")
    assert usual_wish().format == "png" and fixed_settings() == ("export_format",)


@pytest.mark.parametrize(
    ("format_name", "pattern", "says"),
    [
        ("gif", None, "there is no format 'gif'"),
        (None, "{nick}", "unknown placeholder {nick}"),
        (None, "{project}_all", "one file"),
        (None, "results/", "is a folder"),
        (None, "a\nb{nickname}", "no text"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    config: Path, format_name: str | None, pattern: str | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        store_usual(format_name, pattern)
    assert not config.exists()


def test_what_cannot_be_in_the_file_is_told_with_the_file(config: Path) -> None:
    config.parent.mkdir()
    config.write_text('export_name = "{nick}"\n')
    with pytest.raises(UsageError, match=r"unknown placeholder .* \(export_name\)") as refused:
        usual_wish()
    assert str(config) in refused.value.sentence
    store_usual(None, None)  # a way out
    assert usual_wish() == Wish()


def test_a_file_that_is_not_made_of_lines_is_left_alone(config: Path) -> None:
    config.parent.mkdir()
    odd = 'export_name = """\na{nickname}"""\n'
    config.write_text(odd)
    with pytest.raises(UsageError, match="cannot be changed from here"):
        store_usual("png", None)
    assert config.read_text() == odd


def test_a_full_disk_leaves_the_file_as_it_was(config: Path) -> None:
    class Full(FileLayer):
        def write(self, *arguments: object) -> int:
            raise OSError(28, "No space left on device")

    store_usual("npy", None)
    before = config.read_text()
    with using(Full()), pytest.raises(OutputError):
        store_usual("png", None)
    assert config.read_text() == before and [f.name for f in config.parent.iterdir()] == ["config.toml"]
