"""Statistics as a file."""

import pytest

from scaling_harness.errors import UserError
from scaling_harness.record.corpus_statistics import (
    ContextEntropy,
    CorpusStatistics,
    LagCorrelation,
    read_statistics,
    write_statistics,
)


def test_what_is_written_is_read_and_what_is_not_is_said(tmp_path):
    path = tmp_path / "statistics.json"
    with pytest.raises(UserError, match="does not exist: write it with `scaling-harness data statistics"):
        read_statistics(path)
    given = CorpusStatistics("id", "sotu", 256, 5, (ContextEntropy(1, 1.0, 1.5),), (LagCorrelation(2, 0.25, 0.125),))
    write_statistics(path, given)
    assert read_statistics(path) == given
    for text in ("{", "[]", '{"schema_version": 7}', '{"schema_version": 1}'):
        path.write_text(text)
        with pytest.raises(UserError, match="cannot be read as statistics of tokens"):
            read_statistics(path)
