"""Errors in one line: with the line of the user's own code, and of nobody else's."""

import json
import runpy

import pytest

from scaling_harness.errors import UserError, one_line, own_line


def raised(function, *arguments) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (any)
        function(*arguments)
    error = caught.value
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next  # without the frame of this test, which is own code too
    return error


def test_the_innermost_line_of_own_code_is_named(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text("import json\n\n\ndef read():\n    return json.loads('{')\n\n\nread()\n")
    assert one_line(raised(runpy.run_path, str(path))).endswith("line 1 column 2 (char 1) (my_model.py, line 5)")


def test_a_line_that_cannot_be_read_is_named_once(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text("x = 1\ndef m(:\n")
    said = one_line(raised(runpy.run_path, str(path)))
    assert said.count("my_model.py, line 2") == 1
    assert said.startswith("SyntaxError: ")


def test_code_of_packages_is_not_named():
    error = raised(json.loads, "{")
    assert own_line(error) is None
    assert "line 1 column 2 (char 1)" in one_line(error)


def test_a_sentence_stays_as_it_is():
    assert one_line(UserError("give  a\nnumber")) == "give a number"
    assert one_line(ValueError()) == "ValueError"
