"""What users get wrong: one sentence on stderr, the exit code, no traceback, and nothing lost."""

import pytest

from scaling_harness.cli import main


@pytest.fixture
def attempt(capsys, monkeypatch, tmp_path):
    """Run a command that must fail; return its exit code and its sentence."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return code, err

    return run


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.txt", b"", ("the corpus 'empty' is empty",)),
        ("short.txt", b"too short", ("0.2 of 1 distinct documents (10 bytes)", "validation split empty")),
        ("latin.txt", "naïve ".encode("latin-1") * 4000, ("latin.txt is not UTF-8: byte 0xef at offset 2", "iconv")),
    ],
)
def test_text_that_cannot_be_used(attempt, tiny, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    code, said = attempt("train", *tiny, f"data.path={tmp_path / name}")
    assert code == 2
    assert [word for word in words if word not in said] == [], said


def test_a_pattern_that_matches_no_file(attempt, tiny):
    code, said = attempt("train", *tiny, "data.path=nowhere/*.txt")
    assert code == 2
    assert "nowhere" in said


def test_a_validation_side_shorter_than_a_context(attempt, tiny):
    code, said = attempt("train", *tiny, "model.n_ctx=100000", "budget.batch_tokens=100000", "budget.n_tokens=100000")
    assert code == 2
    assert "100000" in said


def test_a_directory_that_cannot_be_written(attempt, tiny, tmp_path):
    (tmp_path / "occupied").write_text("a file")
    code, said = attempt("train", *tiny, f"runtime.runs_dir={tmp_path / 'occupied'}")
    assert code == 2
    assert "a file stands where a directory is needed" in said


def test_a_half_written_record(attempt, tiny, tmp_path, capsys):
    assert main(["train", *tiny]) == 0
    (path,) = (tmp_path / "runs" / "store").glob("*/record.json")
    path.write_text(path.read_text()[:200])
    code, said = attempt("table", str(tmp_path / "runs" / "store"))
    assert code == 1
    assert "record.json is not JSON" in said
    assert "delete it" in said


TABLE = "N,D,loss\n" + "\n".join(
    f"{n},{d},{2 + 10 / n**0.3 + 10 / d**0.3}" for n in (1e5, 1e6, 1e7) for d in (1e7, 1e8)
)


@pytest.mark.parametrize(
    ("table", "columns", "code", "words"),
    [
        (TABLE, "N=params,D=D,loss=loss", 2, "params"),
        ("\n".join(TABLE.splitlines()[:4]), "N=N,D=D,loss=loss", 1, "3 runs cannot fix the 5 parameters"),
        (TABLE.replace("1000000.0", "100000.0").replace("10000000.0,1", "100000.0,1"), None, 1, "same N"),
        (TABLE.replace("N,D,loss\n", "N,D,loss\n100000.0,10000000.0,-1\n"), None, 0, "left out"),
    ],
)
def test_tables_that_cannot_be_fitted(capsys, tmp_path, table, columns, code, words):
    path = tmp_path / "runs.csv"
    path.write_text(table)
    chosen = ["--columns", columns or "N=N,D=D,loss=loss"]
    assert main(["fit", str(path), *chosen, "--resamples", "50"]) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err
