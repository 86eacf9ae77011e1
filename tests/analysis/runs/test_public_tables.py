import dataclasses
import hashlib
import urllib.request

import pytest

from analysis.runs import public_tables
from analysis.runs.load import load_runs
from scaling_harness.errors import HarnessError, UserError

CONTENT = b"N,D,loss\n1e6,1e8,3.0\n"
TOY = public_tables.Dataset(
    name="toy",
    file="toy.csv",
    address="https://example.org/toy.csv",
    extract=False,
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="none",
    citation="nobody",
    n_rows=1,
)


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A registry of one, no network, and an empty local directory."""

    def no_network(*arguments, **options):
        raise OSError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    monkeypatch.setitem(public_tables.DATASETS, "toy", TOY)
    monkeypatch.setenv("SCALING_HARNESS_DATA", str(tmp_path))
    (tmp_path / "published").mkdir()
    return tmp_path


class Response:
    def __init__(self, content):
        self.content = content

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def read(self):
        return self.content


def test_the_local_directory_is_looked_in_first(toy):
    (toy / "published" / "toy.csv").write_bytes(CONTENT)
    path, how = public_tables.get("toy", toy / "elsewhere")
    assert path == toy / "published" / "toy.csv"
    assert how == "found in $SCALING_HARNESS_DATA"
    assert not (toy / "elsewhere").exists()


def test_a_download_is_checked_kept_and_found_again(toy, monkeypatch):
    asked = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: asked.append(address) or Response(CONTENT))
    path, how = public_tables.get("toy", toy / "downloads")
    assert path.read_bytes() == CONTENT
    assert how == f"downloaded from {TOY.address}"
    assert public_tables.get("toy", toy / "downloads") == (path, "downloaded before")
    assert asked == [TOY.address]


def test_other_bytes_than_the_checksum_are_refused_and_not_kept(toy, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: Response(b"a page about cookies"))
    with pytest.raises(HarnessError, match="is not toy as it was checked"):
        public_tables.get("toy", toy / "downloads")
    assert not (toy / "downloads" / "toy.csv").exists()
    (toy / "published" / "toy.csv").write_bytes(b"changed")
    with pytest.raises(HarnessError, match="SHA-256"):
        public_tables.get("toy", toy)


def test_what_cannot_be_got_is_said(toy, monkeypatch):
    with pytest.raises(HarnessError, match=r"cannot download .*no network in tests.*put toy.csv into"):
        public_tables.get("toy", toy)
    monkeypatch.setitem(public_tables.DATASETS, "toy", dataclasses.replace(TOY, extract=True))
    with pytest.raises(HarnessError, match="a table extracted from"):
        public_tables.get("toy", toy)
    with pytest.raises(UserError, match="no public data set is called 'nothing'; there are besiroglu2024"):
        public_tables.get("nothing", toy)


@pytest.mark.parametrize("dataset", public_tables.DATASETS.values(), ids=public_tables.DATASETS.keys())
def test_local_copies_are_the_files_described(published_dir, dataset, monkeypatch, tmp_path):
    path = public_tables.find_local(dataset)
    assert path is not None
    lines = path.read_text().splitlines()
    assert len(lines) - (path.suffix == ".csv") == dataset.n_rows
    if dataset.columns:
        runs = load_runs(path, columns=dataset.columns)
        assert len(runs) + len(runs.dropped) == dataset.n_rows
        assert {"N", "D", "L"} <= set(runs.frame)
