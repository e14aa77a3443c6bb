"""Kaggle's photos, brought from a stand-in for Kaggle that runs on this machine only.

kagglehub is told to talk to http://localhost (KAGGLE_API_ENVIRONMENT=LOCALHOST) by way of a proxy, and
the proxy is the stand-in: it answers for Kaggle's API and for the storage that Kaggle redirects to.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import traceback
import zipfile
from collections.abc import Iterator
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import urlsplit

import kagglehub  # noqa: F401 (here, so that its log goes to the standard output of all tests)
import numpy as np
import pytest
from PIL import Image

from unet_course import cli, data, kaggle
from unet_course.kaggle import KaggleError

TOKEN, SIGNATURE = "hush-token", "hush-signature"
BASIC = "Basic " + base64.b64encode(f"somebody:{TOKEN}".encode()).decode()
API = "http://localhost/api/v1/competitions.CompetitionApiService/DownloadDataFile"
EXPECTED = dict(pairs=6, cars=3, size=(600, 400))


class StandIn(ThreadingHTTPServer):
    """Answers as Kaggle does: 401, 403 or a redirect to a signed address, which serves ranges."""

    def __init__(self, archives: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), StandInHandler)
        self.archives = archives
        self.authorizations = {f"Bearer {TOKEN}", BASIC}
        self.rules_accepted = True
        self.hashes: dict[str, bytes] = {}  # of the archives, where they are not what is served
        self.cut: dict[str, int] = {}  # where the connection breaks, once
        self.asked: list[str | None] = []  # the credentials of each request to the API
        self.served: list[tuple[str, int, int]] = []  # archive, first byte, bytes sent

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:  # a client that hangs up is no news
        pass


class StandInHandler(BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, code: int, body: bytes, **headers: object) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code: int, message: str) -> None:
        body = json.dumps({"code": code, "message": message}).encode()
        self.answer(code, body, Content_Type="application/json; charset=utf-8")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(self.headers["Authorization"])
        if self.path != API or asked["competitionName"] != kaggle.COMPETITION:
            self.refuse(404, "Not found")
        elif self.headers["Authorization"] not in self.server.authorizations:
            self.refuse(401, "Unauthenticated")
        elif not self.server.rules_accepted:
            self.refuse(
                403,
                "You must accept this competition's rules before you'll be able to download files.",
            )
        else:
            signed = f"http://storage.test/{asked['fileName']}?X-Goog-Signature={SIGNATURE}"
            self.answer(302, b"", Location=signed)

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        name = address.path.lstrip("/")
        if address.hostname != "storage.test" or self.headers["Authorization"]:
            return self.refuse(400, "credentials are not for the storage")
        whole = self.server.archives[name]
        first = int((self.headers["Range"] or "bytes=0-")[len("bytes=") : -1])
        last = self.server.cut.pop(name, len(whole)) if first or name in self.server.cut else None
        self.send_response(206 if first else 200)
        digest = hashlib.md5(self.server.hashes.get(name, whole)).digest()
        self.send_header("x-goog-hash", f"crc32c=n03x6A==,md5={base64.b64encode(digest).decode()}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", formatdate(1_500_000_000, usegmt=True))
        self.send_header("Content-Length", str(len(whole) - first))
        self.end_headers()
        self.server.served.append((name, first, len(whole[first:last])))
        self.wfile.write(whole[first:last])


def zipped(folder: Path, name: str) -> bytes:
    """``folder/name`` as Kaggle packs it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{name}/", "")
        for path in sorted((folder / name).iterdir()):
            archive.write(path, f"{name}/{path.name}")
    return packed.getvalue()


def archives_of(folder: Path) -> dict[str, bytes]:
    return {f"{name}.zip": zipped(folder, name) for name in ("train", "train_masks")}


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def original(make_dataset, tmp_path_factory) -> Path:
    """Six photos, over a megabyte together: kagglehub keeps whole megabytes of a broken download."""
    root = make_dataset(
        tmp_path_factory.mktemp("kaggle") / "original", cars=3, views=2, size=(600, 400)
    )
    for path in (root / "train").iterdir():
        with Image.open(path) as photo:
            noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)
            Image.blend(photo.convert("RGB"), Image.fromarray(noise), 0.9).save(path, quality=99)
    return root


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Iterator[Path]:
    """A home without credentials, and no way to anything but the stand-in. Gives the home."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")  # so that whatever a test puts there is taken back
        monkeypatch.delenv(name)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home / ".kaggle"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(home / "cache"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    # It reads the source of every caller, which takes a second below pytest.
    monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "kagglehub", raising=False)
    yield home
    assert not (home / "cache").exists()
    assert os.environ["KAGGLEHUB_CACHE"] == str(home / "cache")


@pytest.fixture
def server(original, outside, monkeypatch) -> Iterator[StandIn]:
    """The stand-in, with a token in the environment that it knows."""
    with StandIn(archives_of(original)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, server.address)
        monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "data" / "carvana"


def download(output: Path) -> Path:
    return kaggle.download_carvana(output, **EXPECTED)


def refused(output: Path) -> str:
    """A download that must fail, with one line and without secrets. Returns that line."""
    with pytest.raises(KaggleError) as caught:
        download(output)
    shown = "".join(traceback.format_exception(caught.value))  # what a notebook shows
    assert "hush" not in shown
    assert "\n" not in str(caught.value)
    assert not output.exists()
    return str(caught.value)


def test_a_download_is_the_complete_folder_and_nothing_else(server, original, output):
    assert download(output) == output
    assert tree(output) == tree(original)
    assert os.listdir(output.parent) == [output.name]  # no archive, no hidden folder
    assert [name for name, _, _ in server.served] == ["train.zip", "train_masks.zip"]
    assert sum(len(samples) for samples in data.load_split(output).values()) == 6


def test_a_complete_folder_is_not_downloaded_again(server, output):
    download(output)
    (output / "split.csv").write_text("car,split\n")  # the reader's own
    server.asked.clear()
    assert download(output) == output
    assert server.asked == []
    assert (output / "split.csv").exists()


def test_a_complete_folder_may_be_the_one_we_are_in(server, output, original, monkeypatch):
    download(output)
    monkeypatch.chdir(output)
    assert download(Path(".")) == Path(".")
    assert tree(output) == tree(original)


def test_a_folder_that_is_something_else_is_not_touched(server, original, tmp_path):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("precious")
    shutil.copytree(original, tmp_path / "part")
    (tmp_path / "part" / "train" / "car0_01.jpg").unlink()
    (tmp_path / "part" / "train_masks" / "car0_01_mask.gif").unlink()
    before = tree(tmp_path)
    for name, reason in (
        ("file", "no such folder"),
        ("other", "no such folder"),
        ("part", "5 photos of 3 cars, expected 6 of 3"),
    ):
        with pytest.raises(KaggleError, match=f"{name}: exists, but is not the complete.*{reason}"):
            download(tmp_path / name)
    assert tree(tmp_path) == before
    assert server.asked == []


def test_without_credentials_it_says_where_they_may_be_and_leaves_nothing(outside, output):
    said = refused(output)
    for place in (
        "KAGGLE_API_TOKEN",
        "~/.kaggle/access_token",
        "Colab",
        "KAGGLE_KEY",
        "kaggle.json",
    ):
        assert place in said
    assert not output.parent.exists()


def in_environment(home, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)


def in_environment_as_name_and_key(home, monkeypatch):
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", TOKEN)


def in_token_file(home, monkeypatch):
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "access_token").write_text(f"{TOKEN}\n")


def in_kaggle_json(home, monkeypatch):
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text(
        json.dumps({"username": "somebody", "key": TOKEN})
    )


def in_colab(monkeypatch, secrets):
    for name in ("google", "google.colab", "google.colab.userdata"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["google.colab.userdata"].get = secrets.__getitem__


def in_colab_secret(home, monkeypatch):
    in_colab(monkeypatch, {"KAGGLE_API_TOKEN": f"{TOKEN}\n"})


def in_colab_secrets_of_name_and_key(home, monkeypatch):
    in_colab(monkeypatch, {"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": f"{TOKEN}\n"})


@pytest.mark.parametrize(
    ("put", "sent"),
    [
        (in_environment, f"Bearer {TOKEN}"),
        (in_environment_as_name_and_key, BASIC),
        (in_token_file, f"Bearer {TOKEN}"),
        (in_kaggle_json, BASIC),
        (in_colab_secret, f"Bearer {TOKEN}"),
        (in_colab_secrets_of_name_and_key, BASIC),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_credentials_are_found_wherever_kaggle_lets_them_be(
    server, outside, output, monkeypatch, capfd, put, sent
):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    put(outside, monkeypatch)
    download(output)
    assert server.asked == [sent, sent]
    assert "hush" not in "".join(capfd.readouterr())


def test_a_malformed_kaggle_json_is_named(server, outside, output, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (outside / ".kaggle").mkdir()
    (outside / ".kaggle" / "kaggle.json").write_text(f'{{"key": "{TOKEN}"')
    assert str(outside / ".kaggle" / "kaggle.json") in refused(output)


def test_wrong_credentials_are_told_from_rules_not_accepted(server, output, capfd):
    server.rules_accepted = False
    said = refused(output)
    assert "https://www.kaggle.com/c/carvana-image-masking-challenge/rules" in said
    assert "accept" in said
    server.authorizations.clear()
    said = refused(output)
    assert "refuses your credentials (401)" in said
    assert "https://www.kaggle.com/settings/api" in said
    assert server.served == []
    assert "hush" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["train.zip", "train_masks.zip"])
def test_a_broken_connection_is_resumed_where_it_broke(server, original, output, name):
    whole = len(server.archives[name])
    server.cut[name] = whole - 1
    assert "run again: it goes on where it was" in refused(output)
    download(output)
    assert tree(output) == tree(original)
    first, *rest = [(start, sent) for n, start, sent in server.served if n == name and sent]
    kept = whole - 1 >> 20 << 20  # kagglehub writes megabytes
    assert first == (0, whole - 1)
    assert rest[-1] == (kept, whole - kept)


def test_a_machine_without_a_connection_says_so(server, output, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "the connection to Kaggle broke (ProxyError)" in refused(output)


def damage(archive: bytes) -> bytes:
    """Change one byte of the first photo's data."""
    at = archive.index(b"\xff\xd8\xff") + 500
    return archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]


@pytest.mark.parametrize("spoil", [lambda archive: archive[: len(archive) // 2], damage])
def test_a_damaged_archive_is_removed_and_fetched_anew(server, original, output, spoil):
    whole = server.archives["train.zip"]
    server.archives["train.zip"] = spoil(whole)
    assert "train.zip: damaged or cut short" in refused(output)
    server.archives["train.zip"] = whole
    download(output)
    assert tree(output) == tree(original)


def test_an_archive_that_is_not_what_its_hash_says_is_fetched_anew(server, original, output):
    server.hashes["train.zip"] = b"another"
    assert "train.zip: damaged on the way and removed; run again" in refused(output)
    server.hashes.clear()
    download(output)
    assert tree(output) == tree(original)


HOSTILE = [
    "../evil_01.jpg",
    "/evil_01.jpg",
    "train/../../evil_01.jpg",
    "train/../train_masks/evil_01.jpg",
    "..\\evil_01.jpg",
    "C:\\evil_01.jpg",
    "C:/evil_01.jpg",
    "train/evil\\..\\..\\evil_01.jpg",
    "train/folder/evil_01.jpg",
    "train/evil_01.jpg.exe",
    "train/.evil_01.jpg",
    "train/evil_01.jpg\n",
    "train_masks/evil_01_mask.gif",
    "evil.py",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_of_an_archive_with_a_hostile_path_nothing_is_unpacked(server, output, tmp_path, name):
    packed = io.BytesIO(server.archives["train.zip"])
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, "evil")
    server.archives["train.zip"] = packed.getvalue()
    said = refused(output)
    assert "none of Carvana's files" in said
    assert "evil" in said
    archives = {f"train{kind}.zip" for kind in ("", "_masks")}
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".complete"]
    assert {p.name for p in written} == archives
    assert not list(tmp_path.rglob("data/**/train"))


def test_a_link_in_an_archive_is_refused(server, output):
    link = zipfile.ZipInfo("train/evil_01.jpg")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    packed = io.BytesIO(server.archives["train.zip"])
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    server.archives["train.zip"] = packed.getvalue()
    assert "train.zip: holds 'train/evil_01.jpg'" in refused(output)


def test_what_a_mac_adds_to_an_archive_is_left_out(server, original, output):
    packed = io.BytesIO(server.archives["train_masks.zip"])
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__MACOSX/train_masks/._car0_01_mask.gif", "fork")
    server.archives["train_masks.zip"] = packed.getvalue()
    download(output)
    assert tree(output) == tree(original)


def test_too_little_room_is_said_before_anything_is_fetched(server, output, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8))
    assert "100 MB free, 1500 MB needed" in refused(output)
    assert server.asked == []
    assert not output.parent.exists()


def test_a_disk_that_fills_while_downloading_is_resumed(server, original, output, files_limited_to):
    with files_limited_to(1_200_000):
        said = refused(output)
    assert f"{output}: not finished" in said
    assert "run again" in said
    download(output)
    assert tree(output) == tree(original)
    assert ("train.zip", 1_200_000) in [(name, start) for name, start, _ in server.served]


def test_a_disk_that_fills_while_unpacking_is_resumed(
    server, original, output, monkeypatch, files_limited_to
):
    rooms = iter([10**10, 0])
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(rooms)))
        assert "0 MB free" in refused(output)  # the archives are there
    with files_limited_to(100_000):
        assert "not finished" in refused(output)
    fetched = [(name, sent) for name, _, sent in server.served]
    download(output)
    assert tree(output) == tree(original)
    assert fetched[:2] == [(name, len(packed)) for name, packed in server.archives.items()]


KILLED = """
import os, shutil
from unet_course import cli
copied, copy = [], shutil.copyfileobj
def stop_at_the_third(source, target, *rest):
    copied.append(target)
    if len(copied) == 3:
        target.write(b"half"), target.flush()
        os._exit(9)
    copy(source, target, *rest)
shutil.copyfileobj = stop_at_the_third
cli.main(["download", "--output", "carvana"])
"""


def test_a_killed_unpacking_leaves_no_folder_and_goes_on(server, original, output):
    output.parent.mkdir()
    environment = dict(os.environ)
    del environment["KAGGLE_CONFIG_DIR"], environment["KAGGLE_API_TOKEN"]
    in_token_file(Path(environment["HOME"]), None)
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=output.parent, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 9, done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert not output.exists()
    hidden = output.with_name(".carvana.partial") / "data" / "train"
    before = {path.name: path.stat().st_ino for path in hidden.glob("car*")}
    assert len(before) == 2
    assert len(list(hidden.iterdir())) == 3  # and half a file under another name
    download(output)
    assert tree(output) == tree(original)
    after = {path.name: path.stat().st_ino for path in (output / "train").iterdir()}
    assert before.items() <= after.items()  # not written again


def replaced(original: Path, tmp_path: Path, name: str, image: Image.Image) -> dict[str, bytes]:
    copy = shutil.copytree(original, tmp_path / "changed")
    image.save(copy / name)
    return archives_of(copy)


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("train/car1_02.jpg", Image.new("RGB", (60, 40)), "60x40 and 600x400, not 600x400"),
        (
            "train_masks/car1_02_mask.gif",
            Image.new("P", (60, 40)),
            "60x40 and 600x400, not 600x400",
        ),
        (
            "train_masks/car1_02_mask.gif",
            Image.linear_gradient("L").resize((600, 400)),
            "grey values",
        ),
    ],
    ids=["size of a photo", "size of a mask", "a mask of many greys"],
)
def test_photos_that_are_not_as_expected_are_named(
    server, original, output, tmp_path, name, image, reason
):
    server.archives = replaced(original, tmp_path, name, image)
    said = refused(output)
    assert reason in said
    assert "car1_02" in said
    assert f"remove the folder {output.with_name('.carvana.partial')}" in said


def test_a_photo_that_is_no_picture_is_named(server, original, output, tmp_path):
    copy = shutil.copytree(original, tmp_path / "changed")
    (copy / "train" / "car1_02.jpg").write_text("no picture")
    server.archives = archives_of(copy)
    assert "car1_02.jpg: cannot be read as a photo" in refused(output)


def test_missing_cars_are_noticed(server, output, make_dataset, tmp_path):
    server.archives = archives_of(make_dataset(tmp_path / "few", cars=2, views=3, size=(600, 400)))
    assert "6 photos of 2 cars, expected 6 of 3" in refused(output)


def test_carvana_is_what_is_expected():
    assert (kaggle.PAIRS, kaggle.CARS) == (318 * 16, 318)
    assert kaggle.SIZE == (1918, 1280)


def test_the_command_says_what_to_do_next(server, output, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(kaggle, "download_carvana", partial(kaggle.download_carvana, **EXPECTED))
        assert cli.main(["download", "--output", str(output)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{output}: complete and checked, and the archives are removed; use it as data_dir"
    )
    assert cli.main(["download", "--output", str(output)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"unet-course download: {output}: exists, but is not the complete data")


def test_stopping_a_download_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(kaggle, "_fetch", interrupted)
    assert cli.main(["download", "--output", str(tmp_path / "carvana")]) == 130
    assert "run again: it goes on where it was" in capsys.readouterr().err
