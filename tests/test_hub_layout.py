"""The folders of a hub: whose they are, who reads them, and what a second start leaves alone."""

import os
import stat

import pytest

from medcourse.errors import CourseError
from medcourse.hub import layout as layouts
from medcourse.hub.layout import Layout, lay_out
from tests.hubs import MINI, make_checkout


@pytest.fixture
def root(tmp_path):
    make_checkout(tmp_path / "checkout", [MINI])
    return tmp_path / "checkout"


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "hub")
    layout.private.mkdir(parents=True)
    return layout


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000], ids=oct)
def test_who_reads_what_does_not_depend_on_the_umask(root, layout, mask):
    before = os.umask(mask)
    try:
        lay_out(layout, root, None)
    finally:
        os.umask(before)
    folders = [layout.course, layout.exchange, layout.exchange / "medcourse", layout.public, layout.settings]
    assert [mode(each) for each in folders] == ["0o700", "0o1777", "0o755", "0o755", "0o755"]
    assert mode(layout.exchange / "medcourse" / "inbound") == "0o3733"
    assert mode(layout.settings / "nbgrader_config.py") == "0o644"
    assert {mode(path) for path in layout.public.rglob("*")} == {"0o755", "0o644"}


def test_the_course_is_whole_and_what_is_public_has_no_solutions(root, layout):
    lay_out(layout, root, None)
    for name in (f"solutions/{MINI}.py", f"build/source/{MINI}/{MINI}.ipynb", f"assignments/{MINI}/{MINI}.ipynb"):
        assert (layout.course / name).is_file()
    assert (layout.public / "lessons" / "10_unet.ipynb").is_file()
    assert not [path for path in layout.public.rglob("*") if "solutions" in path.parts]


def test_what_instructors_changed_is_left_alone_and_what_is_public_follows_the_course(root, layout):
    lay_out(layout, root, None)
    (layout.course / "solutions" / f"{MINI}.py").write_text("corrected")
    (root / "README.md").write_text("renewed")
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    lay_out(layout, root, None)
    assert (layout.course / "solutions" / f"{MINI}.py").read_text() == "corrected"
    assert (layout.public / "README.md").read_text() == "renewed"
    assert (layout.settings / "nbgrader_config.py").read_text() == "c = get_config()\n"
    assert (layout.course / "nbgrader_config.py").read_text() != "c = get_config()\n"


def test_a_run_that_is_cut_off_leaves_no_half_and_the_next_goes_on(root, layout, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(layouts.release, "build", full)
        with pytest.raises(CourseError, match=r"cannot lay out the hub in .*No space left on device"):
            lay_out(layout, root, None)
    assert [path.name for path in layout.folder.iterdir()] == ["private"]
    (layout.folder / ".course.part" / "solutions").mkdir(parents=True)  # as a power cut leaves it
    lay_out(layout, root, None)
    assert (layout.course / "nbgrader_config.py").is_file()
    assert not [path for path in layout.folder.iterdir() if path.name.endswith(".part")]


def test_what_only_root_reads_is_not_published_by_a_link_in_the_course(root, layout, tmp_path):
    lay_out(layout, root, None)
    (tmp_path / "secret").write_text("secret")
    (layout.course / "nbgrader_config.py").unlink()
    (layout.course / "nbgrader_config.py").symlink_to(tmp_path / "secret")
    lay_out(layout, root, None)
    assert "secret" not in (layout.settings / "nbgrader_config.py").read_text().splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others, which root alone may")
def test_course_and_exchange_belong_to_the_grader_and_the_rest_does_not(root, layout):
    lay_out(layout, root, (60001, 60002))
    owned = [layout.course, *layout.course.rglob("*"), layout.exchange, *layout.exchange.rglob("*")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in owned} == {(60001, 60002)}
    assert {path.stat().st_uid for path in (layout.public, layout.settings, layout.private)} == {0}
    assert mode(layout.exchange / "medcourse" / "inbound") == "0o3733"
