"""The one progress bar."""

from unet_course.progress import LOG_VARIABLE, progress


def test_everything_passes_through_in_order(monkeypatch):
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    assert list(progress(range(5), desc="counting")) == [0, 1, 2, 3, 4]


def test_a_bar_can_be_moved_by_hand(monkeypatch, capsys):
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    bar = progress(total=4, initial=1, desc="training", unit="step")
    bar.update(3)
    bar.close()
    assert "training" in capsys.readouterr().err
    assert bar.n == 4


def test_where_a_log_is_named_the_bar_goes_there_and_nowhere_else(tmp_path, monkeypatch, capsys):
    log = tmp_path / "progress.log"
    log.write_text("before\n")
    monkeypatch.setenv(LOG_VARIABLE, str(log))
    assert list(progress(range(3), desc="counting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
    written = log.read_text()
    assert written.startswith("before\n")
    assert "counting" in written and "3/3" in written


def test_a_disabled_bar_is_silent(monkeypatch, capsys):
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    assert list(progress(range(3), disable=True)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
