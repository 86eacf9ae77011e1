"""Prepare any data for planning: texts are tokenised, generated tokens are only described."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from scaling_harness.config.schema import DataConfig, NoiseData, RepeatedData, ShardsData, TextData
from scaling_harness.data import token_cache
from scaling_harness.data.source_info import PreparedData, SourceInfo
from scaling_harness.errors import UserError

FORMAT = 1
"""Increased by hand whenever the same settings would give other tokens."""
_NOT_TOKENS = ("max_epochs",)


def prepare(data: DataConfig, extra_sets: Iterable[str], data_dir: Path) -> PreparedData:
    """Make data ready to be opened.

    Parameters
    ----------
    data : DataConfig
        Any kind of data.
    extra_sets : iterable of str
        Evaluation sets of other distributions, for texts alone.
    data_dir : Path
        Directory of the cache of tokens.

    Returns
    -------
    DataInfo or SourceInfo

    Raises
    ------
    UserError
        See `token_cache.prepare`; or generated tokens with other evaluation sets, which would have no meaning in them.
    """
    if isinstance(data, ShardsData):
        from scaling_harness.data.shards.prepare_shards import prepare as prepare_shards

        return prepare_shards(data, extra_sets, data_dir)
    if isinstance(data, TextData):
        return token_cache.prepare(data, extra_sets, data_dir)
    if named := ", ".join(extra_sets):
        raise UserError(f"evaluation.extra_sets names {named}, but data.kind={data.kind} is no text: leave them out")
    if isinstance(data, NoiseData):
        base = prepare(data.source, (), data_dir)
        data_id = _digest(["noise", base.data_id, data.rate, data.n_noise_tokens, data.structure_seed])
        label, V = f"{base.label} with noise {data.rate:g}", base.vocab_size + data.n_noise_tokens
        return SourceInfo(data_id, label, V, base.n_train_tokens, base)
    if isinstance(data, RepeatedData):
        base = prepare(data.source, (), data_dir)
        data_id = _digest(["repeated", base.data_id, data.fraction, data.n_repeated_tokens])
        label = f"{base.label}, {data.fraction:g} of it repeats of {data.n_repeated_tokens} tokens"
        return SourceInfo(data_id, label, base.vocab_size, base.n_train_tokens, base)
    settings = {k: v for k, v in dataclasses.asdict(data).items() if k not in _NOT_TOKENS}
    return SourceInfo(_digest(settings), data.kind, data.vocab_size, data.n_unique_tokens)


def _digest(settings: object) -> str:
    return hashlib.sha256(json.dumps([FORMAT, settings], sort_keys=True).encode()).hexdigest()
