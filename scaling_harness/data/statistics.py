"""Statistics of tokens that decide how a loss falls with data, by Cagnetta et al. (2026, arXiv 2602.07488).

Counted in the tokens that a run would train on, or calculated where the law of the tokens says them.
"""

import numpy as np

from scaling_harness.config.schema import DataConfig, GrammarData
from scaling_harness.data.correlations import lag_correlations
from scaling_harness.data.ngrams import entropy_bounds
from scaling_harness.data.open_source import open_source
from scaling_harness.data.source_info import PreparedData
from scaling_harness.errors import UserError
from scaling_harness.record.corpus_statistics import ContextEntropy, CorpusStatistics, LagCorrelation

HELD_OUT = 8
"""So many times fewer tokens are predicted than counted."""
N_LAGS = 24


def measure(
    data: DataConfig, info: PreparedData, *, n_tokens: int, longest: int, context: int, counted: bool = False
) -> CorpusStatistics:
    """Measure or calculate the statistics of a data set.

    Parameters
    ----------
    data : DataConfig
        Its settings.
    info : DataInfo or SourceInfo
        Result of `prepare.prepare`.
    n_tokens : int
        Tokens to count; fewer if the training split has fewer.
    longest : int
        Longest context of an entropy, in tokens.
    context : int
        Length of a sequence, in tokens; correlations reach to half of it.
    counted : bool
        Count also where the law is known.

    Returns
    -------
    CorpusStatistics

    Raises
    ------
    UserError
        Too few tokens for one sequence, a context that is no longer than the longest of an entropy, or too large a
        vocabulary.
    """
    if not 1 <= longest < context:
        raise UserError(f"the longest context of an entropy, {longest}, is not between 1 and those of {context} tokens")
    known = {"data_id": info.data_id, "label": info.label, "vocab_size": info.vocab_size}
    known |= {"uniform_nats": float(np.log(info.vocab_size))}
    if isinstance(data, GrammarData) and not counted:
        return _of_grammar(data, known)
    n_unique = info.n_unique_tokens(context)
    source = open_source(data, info, context, max(2, min(n_tokens, n_unique or n_tokens) // context))
    train_WS, held_out_WS = source.batch(0, 0), source.evaluation_windows("valid", n_tokens // HELD_OUT)
    bounds = entropy_bounds(train_WS, held_out_WS, longest, info.vocab_size)
    lags = np.unique(np.geomspace(1, max(1, context // 2), N_LAGS).round().astype(int))
    return CorpusStatistics(
        **known,
        n_tokens=train_WS[:, 1:].size,
        entropies=tuple(ContextEntropy(n, low, high) for n, (low, high) in enumerate(bounds)),
        correlations=lag_correlations(train_WS, lags.tolist(), info.vocab_size),
        entropy_rate=None if source.truth is None else float(source.truth.entropies_T.mean()),
    )


def _of_grammar(data: GrammarData, known: dict) -> CorpusStatistics:
    """What follows from the rules: blocks of 2^l tokens, and pairs that a block of 2^l joins, are of distance 2^l."""
    from scaling_harness.data.sources.grammar import Grammar

    grammar = Grammar(data)
    entropies = grammar.block_entropies()
    return CorpusStatistics(
        **known,
        n_tokens=0,
        entropies=tuple(ContextEntropy(2**level, float(h), float(h)) for level, h in enumerate(entropies)),
        correlations=tuple(
            LagCorrelation(2**level, float(norm), 0.0) for level, norm in enumerate(grammar.correlations(), 1)
        ),
        entropy_rate=float(np.log(data.n_rules)),
    )
