"""Settings in their order, and the log."""

from __future__ import annotations

import logging

import pytest

from underbrush import log
from underbrush.config import config_file, load_settings
from underbrush.errors import UsageError
from underbrush.log import start_log


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(path))
    for name in ("JOBS", "MEMORY", "LOG_LEVEL"):
        monkeypatch.delenv(f"UNDERBRUSH_{name}", raising=False)
    return path


def test_nothing_set(config):
    assert config_file() == config
    settings = load_settings()
    assert (settings.jobs, settings.memory, settings.log_level) == (None, None, None)


def test_the_environment_goes_before_the_file(config, monkeypatch):
    config.write_text('jobs = 3\nmemory = "2GB"\n')
    assert load_settings().jobs == 3 and load_settings().memory == "2GB"
    monkeypatch.setenv("UNDERBRUSH_JOBS", "5")
    assert load_settings().jobs == 5 and load_settings().memory == "2GB"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("jobs = ", "cannot be read"),
        ("colour = 1", "unknown setting 'colour'"),
        ("jobs = 0", "config.toml: jobs: the number of jobs is 0"),
    ],
)
def test_mistakes_name_the_file_or_the_value(config, content, says):
    config.write_text(content)
    with pytest.raises(UsageError, match=says):
        load_settings()


@pytest.fixture
def fresh_log(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERBRUSH_LOG_DIR", str(tmp_path / "log"))
    logger = logging.getLogger("underbrush")
    kept, logger.handlers = logger.handlers, []
    yield tmp_path / "log" / "underbrush.log"
    for handler in logger.handlers:
        handler.close()
    logger.handlers, logger.propagate = kept, True


def test_lines_have_utc_times_and_the_level_counts(fresh_log):
    start_log("warning")
    logging.getLogger("underbrush.engine").info("not this")
    logging.getLogger("underbrush.engine").warning("but this")
    text = fresh_log.read_text()
    assert "but this" in text and "not this" not in text
    assert text[10] == "T" and text[23] == "Z"


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path, fresh_log, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(log, "log_folder", lambda: tmp_path / "file" / "log")
    start_log(None)
    logging.getLogger("underbrush").error("said to nobody")
    assert capsys.readouterr().err == ""


def test_an_unknown_level_is_refused():
    with pytest.raises(UsageError, match="no log level 'loud'"):
        start_log("loud")
