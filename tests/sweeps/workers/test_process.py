import dataclasses

import pytest

from scaling_harness.errors import HarnessError, UserError
from sweeps.workers.process import arguments_of, entry_point, parser_of


@pytest.mark.parametrize("error", [HarnessError("it broke"), UserError("it cannot be")])
def test_an_error_of_ours_is_an_exit_code_and_a_sentence(error, capsys):
    @entry_point
    def main(arguments):
        raise error

    assert main([]) == error.exit_code
    assert capsys.readouterr() == ("", f"{error}\n")


def test_any_other_error_keeps_its_traceback():
    @entry_point
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main()


def test_the_arguments_that_are_written_are_read(make_config, tmp_path):
    runtime = dataclasses.replace(make_config().runtime, threads=3)
    options = parser_of("sweeps.x", "Test.").parse_args(arguments_of(tmp_path, runtime, "m:f"))
    assert (options.folder, options.runtime, options.train) == (tmp_path, runtime, "m:f")
    assert parser_of("sweeps.x", "Test.").parse_args([str(tmp_path)]).runtime is None


def test_a_runtime_that_does_not_fit_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="threads"):
        parser_of("sweeps.x", "Test.").parse_args([str(tmp_path), "--runtime", '{"threads": 0}'])
