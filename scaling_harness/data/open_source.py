"""Open prepared data as a `TokenSource`, whatever its kind."""

from scaling_harness.config.known_entropy import GeneratedData
from scaling_harness.config.schema import DataConfig, NoiseData, RepeatedData
from scaling_harness.data.source_info import PreparedData
from scaling_harness.data.token_cache import DataInfo
from scaling_harness.data.token_source import TokenSource


def open_source(data: DataConfig, info: PreparedData, n_ctx: int, batch_seqs: int) -> TokenSource:
    """Open the tokens of prepared data.

    Parameters
    ----------
    data : DataConfig
        Settings of the data.
    info : DataInfo or SourceInfo
        Result of `prepare.prepare`.
    n_ctx : int
        Context length, in tokens.
    batch_seqs : int
        Windows per batch.

    Returns
    -------
    TokenSource

    Raises
    ------
    UserError
        A file of tokens is missing, or too short for one context.
    """
    if isinstance(info, DataInfo):
        from scaling_harness.data.token_files import TokenFiles

        return TokenFiles(info, n_ctx, batch_seqs)
    if isinstance(data, RepeatedData) and info.base:
        from scaling_harness.data.repeated import RepeatedTokens

        return RepeatedTokens(data, open_source(data.source, info.base, n_ctx, batch_seqs), n_ctx, batch_seqs)
    from scaling_harness.data.generated import GeneratedTokens, NoisyTokens

    if isinstance(data, NoiseData) and info.base:
        return NoisyTokens(data, open_source(data.source, info.base, n_ctx, batch_seqs), info.base.vocab_size)
    assert isinstance(data, GeneratedData)
    return GeneratedTokens(data, n_ctx, batch_seqs)
