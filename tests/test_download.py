import hashlib
import io
import socket
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tifffile

from medcourse import datasets
from medcourse.datasets import CATALOGUE, data_folder, fetch, fetch_cell_tracking
from medcourse.errors import CourseError

NAME = "DIC-C2DH-HeLa"


def archive(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as contents:
        for name, content in members.items():
            contents.writestr(name, content)
    return buffer.getvalue()


def tiff(pixels):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def good():
    mask = np.zeros((16, 16), np.uint16)
    mask[2:6, 2:6] = 3
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    return archive({f"{NAME}/01/t000.tif": tiff(image), f"{NAME}/01_GT/SEG/man_seg000.tif": tiff(mask)})


@pytest.fixture
def server():
    """Serve on loopback what a test puts into `server.files`: bytes, a status, or bytes to break off in the middle."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            answer = self.server.files.get(self.path, 404)
            if isinstance(answer, int):
                self.send_error(answer)
                return
            content, length = answer if isinstance(answer, tuple) else (answer, len(answer))
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked = {}, []
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def listed(server, monkeypatch):
    """Return a function that lists a file of the server in the catalogue under `NAME`."""

    def put(content, paths=("/a.zip",), sha256=None):
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        entry = replace(CATALOGUE[NAME], urls=tuple(server.url + path for path in paths), sha256=sha256)
        monkeypatch.setitem(CATALOGUE, NAME, entry)
        server.files.setdefault(paths[-1], content)

    return put


def test_download_is_kept_and_not_repeated(server, listed, good, capsys):
    listed(good)
    place = fetch(NAME)
    assert place == data_folder() / NAME
    assert (place / "01_GT/SEG/man_seg000.tif").is_file()
    assert [child.name for child in data_folder().iterdir()] == [NAME]  # no archive, no scratch
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Licence: no named licence" in captured.err
    assert "https://doi.org/10.1038/nmeth.4473" in captured.err
    assert "100%" in captured.err
    assert fetch(NAME) == place
    assert server.asked == ["/a.zip"]
    assert capsys.readouterr().err == ""


def test_progress_can_be_switched_off(listed, good, capsys):
    listed(good)
    fetch(NAME, progress=False)
    assert "%" not in capsys.readouterr().err


def test_what_was_fetched_is_read(listed, good, tmp_path):
    listed(good)
    cells = fetch_cell_tracking(NAME, folder=tmp_path)
    assert cells.names == ["01/t000"]
    assert cells.labels[0].max() == 3
    assert "Cell Tracking Challenge" in cells.licence
    assert cells.citation.endswith("https://doi.org/10.1038/nmeth.4473")


def test_dead_mirror_is_passed_over(server, listed, good):
    listed(good, paths=("/dead.zip", "/alive.zip"))
    server.files["/dead.zip"] = 503
    assert fetch(NAME).is_dir()
    assert server.asked == ["/dead.zip", "/alive.zip"]


def test_mirror_with_another_file_is_passed_over(server, listed, good):
    listed(good, paths=("/wrong.zip", "/right.zip"))
    server.files["/wrong.zip"] = good[:-1] + b"?"
    assert fetch(NAME).is_dir()


def test_wrong_hash_keeps_nothing(listed, good):
    listed(good, sha256="0" * 64)
    with pytest.raises(
        CourseError, match=r"nothing was kept .*a\.zip: another file than the catalogue's, SHA-256 differs"
    ):
        fetch(NAME)
    assert list(data_folder().iterdir()) == []


def test_download_that_breaks_off_leaves_nothing_and_starts_again(server, listed, good):
    listed(good)
    server.files["/a.zip"] = (good[: len(good) // 2], len(good))
    with pytest.raises(CourseError, match=r"could not download DIC-C2DH-HeLa, nothing was kept"):
        fetch(NAME)
    assert list(data_folder().iterdir()) == []
    server.files["/a.zip"] = good
    assert (fetch(NAME) / "01/t000.tif").is_file()


def test_interrupt_leaves_nothing(listed, good, monkeypatch):
    listed(good)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(NAME)
    assert list(data_folder().iterdir()) == []
    assert fetch(NAME).is_dir()


def test_no_network_is_one_line(listed, good, server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listed(good)
    CATALOGUE[NAME] = replace(CATALOGUE[NAME], urls=(f"http://127.0.0.1:{port}/a.zip",))
    with pytest.raises(CourseError, match=r"a\.zip: ConnectionError\): is there a network\?") as caught:
        fetch(NAME)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "member", ["../outside.txt", "/outside.txt", "a/../../outside.txt", "..\\outside.txt", "C:\\x.txt"]
)
def test_archive_may_not_write_outside_its_folder(listed, member):
    listed(archive({"data/fine.txt": b"", member: b""}))
    with pytest.raises(CourseError, match="wants to write outside its folder"):
        fetch(NAME)
    assert list(data_folder().iterdir()) == []
    assert not list(data_folder().parent.glob("outside.txt"))


def test_archive_without_a_folder_of_its_own_gets_one(listed):
    listed(archive({"01/t000.tif": b"", "02/t000.tif": b""}))
    assert sorted(child.name for child in fetch(NAME).iterdir()) == ["01", "02", "medcourse-sha256.txt"]


def test_what_someone_else_finished_meanwhile_is_taken(listed, good, monkeypatch):
    listed(good)
    rename = Path.rename

    def late(self, target):
        monkeypatch.setattr(Path, "rename", rename)
        fetch(NAME)  # the other one
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert (fetch(NAME) / "01/t000.tif").is_file()
    assert [child.name for child in data_folder().iterdir()] == [NAME]


@pytest.mark.parametrize("content", [None, "another hash"])
def test_a_folder_that_is_in_the_way_is_left_alone(server, listed, good, content):
    listed(good)
    place = data_folder() / NAME
    place.mkdir()
    (place / "mine.txt").write_text("my work")
    if content:
        (place / "medcourse-sha256.txt").write_text(content)
    with pytest.raises(CourseError, match=r"is not the DIC-C2DH-HeLa that the catalogue lists: move it elsewhere"):
        fetch(NAME)
    assert (place / "mine.txt").read_text() == "my work"
    assert server.asked == []


def test_folder_that_cannot_be_made_is_one_line(listed, good, tmp_path):
    listed(good)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        CourseError, match=r"cannot keep DIC-C2DH-HeLa in .*file.data \(Not a directory\).*MEDCOURSE_DATA"
    ):
        fetch(NAME, folder=tmp_path / "file/data")


def test_full_disk_is_one_line_and_leaves_nothing(listed, good, monkeypatch):
    listed(good)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(CourseError, match=r"\(No space left on device\): free some space"):
        fetch(NAME)
    assert list(data_folder().iterdir()) == []


def test_unknown_name_lists_the_known():
    with pytest.raises(CourseError, match="no data set is called 'HeLa'; there are DIC-C2DH-HeLa, PhC-C2DH-U373"):
        fetch("HeLa")


def test_data_folder_is_the_cache_unless_it_is_named(monkeypatch):
    monkeypatch.setenv("MEDCOURSE_DATA", "~/elsewhere")
    assert data_folder() == Path.home() / "elsewhere"
    monkeypatch.delenv("MEDCOURSE_DATA")
    assert "medcourse" in data_folder().name or "medcourse" in str(data_folder())


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=str)
def test_catalogue_is_complete(entry):
    assert CATALOGUE[entry.name] is entry
    assert len(entry.sha256) == 64
    assert int(entry.sha256, 16) > 0
    assert entry.size_mb > 0
    assert all(url.startswith(("https://", "http://")) and url.endswith(".zip") for url in entry.urls)
    assert entry.doi.startswith("10.")
    assert all([entry.title, entry.modality, entry.task, entry.units, entry.licence, entry.citation])
    assert callable(getattr(datasets, entry.reader))


def send_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("192.0.2.1", 53))


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.1),  # an address for documentation, nobody's
        lambda: socket.create_connection(("example.org", 80), timeout=0.1),
        send_datagram,
        lambda: fetch(NAME),
    ],
    ids=["address", "name", "datagram", "fetch"],
)
def test_tests_cannot_reach_the_network(reach):
    with pytest.raises(pytest.fail.Exception, match="a test reached for the network"):
        reach()
