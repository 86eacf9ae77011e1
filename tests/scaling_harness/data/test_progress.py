"""A progress bar on a terminal, nothing elsewhere."""

import io

import rich.console

from scaling_harness.data.corpus import Document
from scaling_harness.data.progress import with_progress_bar

DOCUMENTS = [Document("a", "one", b"x" * 500), Document("b", "one", b"y" * 700)]


def test_documents_pass_unchanged_and_in_silence(capsys):
    assert list(with_progress_bar(DOCUMENTS, "reading")) == DOCUMENTS
    assert capsys.readouterr().err == ""


def test_a_terminal_sees_what_is_done(monkeypatch):
    screen = io.StringIO()
    terminal = rich.console.Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr(rich.console, "Console", lambda **_: terminal)
    assert list(with_progress_bar(DOCUMENTS, "tokenising novels")) == DOCUMENTS
    assert "tokenising novels" in screen.getvalue()
