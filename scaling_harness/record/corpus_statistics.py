"""What can be counted in tokens before anything is trained on them: `CorpusStatistics`, a JSON file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import parse_json, write_text

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ContextEntropy:
    """Entropy of the next token given the n before it, nats: between two bounds, which are equal if it is known."""

    n: int
    low: float
    high: float


@dataclass(frozen=True)
class LagCorrelation:
    """Largest singular value of the covariance of tokens n apart, and its sampling error."""

    n: int
    norm: float
    error: float


@dataclass(frozen=True)
class CorpusStatistics:
    """Statistics of the tokens of one data set."""

    data_id: str
    label: str
    vocab_size: int
    n_tokens: int
    """Tokens counted; 0 if nothing was, because the law of the tokens is known."""
    entropies: tuple[ContextEntropy, ...]
    correlations: tuple[LagCorrelation, ...]
    entropy_rate: float | None = None
    """Entropy given everything before, nats; None if nobody knows it."""
    uniform_nats: float = 0.0
    """Loss of the best guess without any statistics, ln V."""


def write_statistics(path: Path, statistics: CorpusStatistics) -> None:
    """Write statistics as JSON, numbers of six digits."""
    document = {"schema_version": SCHEMA_VERSION, **_rounded(asdict(statistics))}
    write_text(path, json.dumps(document, indent=1) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read_statistics(path: Path) -> CorpusStatistics:
    """Read what `write_statistics` wrote.

    Raises
    ------
    UserError
        There is no such file, or it is of another kind or a newer version.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist: write it with `scaling-harness data statistics --out {path}`")
    try:
        document = parse_json(path.read_bytes())
        if document.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("it is of another version")
        entropies = tuple(ContextEntropy(**each) for each in document.pop("entropies"))
        correlations = tuple(LagCorrelation(**each) for each in document.pop("correlations"))
        return CorpusStatistics(**document, entropies=entropies, correlations=correlations)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as statistics of tokens ({error}): write it again with `scaling-harness data "
            f"statistics --out {path}`"
        ) from error
