"""Published constants: value, precision, which N, units, source. Facts to stand beside a fit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Published:
    """Constants of one paper.

    Attributes
    ----------
    key, source : str
        Short name; paper and where in it.
    n_convention : str
        Which parameters its N counts: "non_embedding", "with_head" or "total".
    law : str or None
        Name in `registry.LAWS` if ``params`` are its parameters.
    params : mapping
        Constants as printed; losses in nats per token, N in parameters, D in tokens, C in FLOP.
    stderr : mapping
        Standard errors as printed; bootstrapped from the paper's data if the note says so.
    a, b : float or None
        Exponents of N_opt ~ C^a and D_opt ~ C^b.
    a_ci : (float, float) or None
        As printed; ``a_ci_level`` is its coverage.
    n_opt_coefficient, d_opt_coefficient : float or None
        Coefficients k of the printed N_opt = k C^a and D_opt = k C^b, C in FLOP.
    input_ranges : mapping
        What the runs behind it span, so that a forecast can say how far beyond it reaches.
    vocab_size, n_ctx : int or None
        Size of the runs' vocabulary and context; None if the source does not say.
    c_convention : str
        How its C was counted.
    units : str
        Units of the inputs and the loss.
    precision : str
        How far the printed digits can be trusted.
    note : str
    """

    key: str
    source: str
    n_convention: str
    law: str | None = None
    params: Mapping[str, float] = field(default_factory=dict)
    stderr: Mapping[str, float] = field(default_factory=dict)
    a: float | None = None
    b: float | None = None
    a_ci: tuple[float, float] | None = None
    a_ci_level: float | None = None
    n_opt_coefficient: float | None = None
    d_opt_coefficient: float | None = None
    input_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    vocab_size: int | None = None
    n_ctx: int | None = None
    c_convention: str = "6ND"
    units: str = "N parameters, D tokens, C FLOP, loss nats per token"
    precision: str = ""
    note: str = ""


PF_DAY = 8.64e19  # FLOP

_KAPLAN: Mapping[str, Any] = {
    "n_convention": "non_embedding",
    "vocab_size": 50257,
    "n_ctx": 1024,
    "input_ranges": {"N": (768, 1.5e9), "D": (2.2e7, 2.3e10)},
}
_HOFFMANN: Mapping[str, Any] = {
    "n_convention": "total",
    "vocab_size": 32000,
    "n_ctx": 2048,
    "input_ranges": {"N": (4.4e7, 1.62e10), "D": (8.2e8, 3.2e11), "C": (1.4e18, 1.3e22)},
}
_PORIAN: Mapping[str, Any] = {
    "a_ci_level": 0.95,
    "vocab_size": 50432,
    "n_ctx": 2048,
    "input_ranges": {"C": (1.25e16, 2.56e19)},
    "precision": "3 digits",
}

_ENTRIES = (
    Published(
        key="kaplan2020",
        source="Kaplan et al. 2020, Table 6 and fig. 14",
        **_KAPLAN,
        params={"alpha_N": 0.076, "alpha_D": 0.095, "alpha_C": 0.050, "alpha_C_naive": 0.057},
        a=0.73,
        b=0.27,
        n_opt_coefficient=1.3e9 / PF_DAY**0.73,
        d_opt_coefficient=2e10 / PF_DAY**0.27,
        c_convention="C_min: 6NBS at a batch far below the critical one",
        precision="2 digits, no standard errors",
        note="C_min-adjusted; 0.88 at fixed batch. Slopes of the total loss (E = 0)",
    ),
    Published(
        key="kaplan2020_ln",
        source="Kaplan et al. 2020, eq. 1.1",
        **_KAPLAN,
        law="kaplan_ln",
        params={"A": 8.8e13**0.076, "alpha": 0.076},
        precision="2 digits",
        note="(N_c/N)^alpha with N_c = 8.8e13",
    ),
    Published(
        key="kaplan2020_ld",
        source="Kaplan et al. 2020, eq. 1.2",
        **_KAPLAN,
        law="kaplan_ld",
        params={"A": 5.4e13**0.095, "alpha": 0.095},
        precision="2 digits",
        note="(D_c/D)^alpha with D_c = 5.4e13 tokens",
    ),
    Published(
        key="kaplan2020_lc",
        source="Kaplan et al. 2020, eq. 3.3, Table 5",
        **_KAPLAN,
        law="kaplan_lc",
        params={"A": (1.6e7 * PF_DAY) ** 0.057, "alpha": 0.057},
        precision="2 digits; the figure's legend has C_c = 2.0e7 PF-days",
        note="naive compute at fixed batch, C_c = 1.6e7 PF-days",
    ),
    Published(
        key="kaplan2020_lc_min",
        source="Kaplan et al. 2020, eq. 1.3, Table 5",
        **_KAPLAN,
        law="kaplan_lc",
        params={"A": (3.1e8 * PF_DAY) ** 0.050, "alpha": 0.050},
        c_convention="C_min: 6NBS at a batch far below the critical one",
        precision="2 digits; the figure's legend has C_c = 2.3e8 PF-days",
        note="the least compute, at the best size and a small batch, C_c = 3.1e8 PF-days",
    ),
    Published(
        key="hoffmann2022_approach1",
        source="Hoffmann et al. 2022, Table 2",
        **_HOFFMANN,
        a=0.50,
        b=0.50,
        a_ci=(0.488, 0.502),
        a_ci_level=0.8,
        precision="2 digits",
    ),
    Published(
        key="hoffmann2022_approach2",
        source="Hoffmann et al. 2022, Table 2",
        **_HOFFMANN,
        a=0.49,
        b=0.51,
        a_ci=(0.462, 0.534),
        a_ci_level=0.8,
        precision="2 digits",
    ),
    Published(
        key="hoffmann2022_rounded",
        source="Hoffmann et al. 2022, eq. 10 and Table 2 (approach 3)",
        **_HOFFMANN,
        law="chinchilla",
        params={"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
        a=0.46,
        b=0.54,
        a_ci=(0.454, 0.455),
        a_ci_level=0.8,
        precision="exponents rounded to 2 digits: they give a = 0.4516, not the printed 0.46",
        note="the interval is implausibly narrow, the fit stopped early (Besiroglu et al. 2024)",
    ),
    Published(
        key="hoffmann2022",
        source="Hoffmann et al. 2022, TeX source of eq. 10",
        **_HOFFMANN,
        law="chinchilla",
        params={"E": 1.6934, "A": 406.4, "B": 410.7, "alpha": 0.3392, "beta": 0.2849},
        a=0.4565,
        b=0.5435,
        precision="4 digits",
        note="not a minimum of its own objective (Besiroglu et al. 2024)",
    ),
    Published(
        key="besiroglu2024",
        source="Besiroglu et al. 2024, eq. 5 and Table 1",
        **_HOFFMANN,
        law="chinchilla",
        params={"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
        stderr={"E": 0.0257, "A": 124.58, "B": 1293.23, "alpha": 0.0154, "beta": 0.0206, "a": 0.018, "b": 0.018},
        a=0.5126,
        b=0.4874,
        precision="4 digits; A and B are 1 to 3 % from the exact optimum",
        note="standard errors of E, alpha and beta are bootstrapped from its data (printed: .03, .02, .02)",
    ),
    Published(
        key="pearce2024_non_embedding",
        source="Pearce and Song 2024, section 3, recomputed from Besiroglu's constants",
        n_convention="non_embedding",
        a=0.78,
        precision="2 digits",
        note="Chinchilla's law seen with Kaplan's count at Kaplan's sizes; 0.74 from Hoffmann's constants",
    ),
    Published(
        key="porian2024_kaplan",
        source="Porian et al. 2024, RefinedWeb, step 1 (Kaplan reproduced)",
        n_convention="non_embedding",
        a=0.835,
        a_ci=(0.824, 0.846),
        n_opt_coefficient=4.23e-8,
        **_PORIAN,
    ),
    Published(
        key="porian2024_openwebtext2_kaplan",
        source="Porian et al. 2024, OpenWebText2, step 1 (Kaplan reproduced)",
        n_convention="non_embedding",
        a=0.864,
        a_ci=(0.819, 0.897),
        **_PORIAN,
    ),
    Published(
        key="porian2024_head",
        source="Porian et al. 2024, RefinedWeb, step 2 (head counted)",
        n_convention="with_head",
        a=0.706,
        a_ci=(0.691, 0.717),
        n_opt_coefficient=1.27e-5,
        **_PORIAN,
    ),
    Published(
        key="porian2024_openwebtext2_head",
        source="Porian et al. 2024, OpenWebText2, step 2 (head counted)",
        n_convention="with_head",
        a=0.699,
        a_ci=(0.664, 0.724),
        **_PORIAN,
    ),
    Published(
        key="porian2024_warmup",
        source="Porian et al. 2024, RefinedWeb, step 3 (warm-up by size)",
        n_convention="with_head",
        a=0.602,
        a_ci=(0.591, 0.617),
        n_opt_coefficient=1.43e-3,
        **_PORIAN,
    ),
    Published(
        key="porian2024_openwebtext2_warmup",
        source="Porian et al. 2024, OpenWebText2, step 3 (warm-up by size)",
        n_convention="with_head",
        a=0.603,
        a_ci=(0.57, 0.629),
        **_PORIAN,
    ),
    Published(
        key="porian2024_cosine",
        source="Porian et al. 2024, RefinedWeb, step 4 (cosine to the budget)",
        n_convention="with_head",
        a=0.571,
        a_ci=(0.56, 0.589),
        n_opt_coefficient=4.77e-3,
        **_PORIAN,
    ),
    Published(
        key="porian2024_openwebtext2_cosine",
        source="Porian et al. 2024, OpenWebText2, step 4 (cosine to the budget)",
        n_convention="with_head",
        a=0.574,
        a_ci=(0.542, 0.606),
        **_PORIAN,
    ),
    Published(
        key="porian2024",
        source="Porian et al. 2024, RefinedWeb, step 5 (tuned)",
        n_convention="with_head",
        a=0.497,
        a_ci=(0.491, 0.505),
        n_opt_coefficient=0.119,
        **_PORIAN,
    ),
    Published(
        key="porian2024_openwebtext2",
        source="Porian et al. 2024, OpenWebText2, step 5 (tuned)",
        n_convention="with_head",
        a=0.518,
        a_ci=(0.493, 0.541),
        **_PORIAN,
    ),
    Published(
        key="gemstones2025",
        source="McLeish et al. 2025, hot runs, refitted here (summed log-Huber, delta 1e-3)",
        n_convention="total",
        law="chinchilla",
        params={"E": 2.1432056, "A": 213.08451, "B": 4967622.2, "alpha": 0.2928918, "beta": 0.7129786},
        input_ranges={"N": (4.84e7, 2.01e9), "D": (1.0e10, 1.0e11), "C": (2.9e18, 1.2e21)},
        precision="the exact optimum of the published runs",
        note="active parameters",
    ),
    Published(
        key="kaplan2020_ln_d",
        source="Kaplan et al. 2020, eq. 1.5, Table 2",
        **_KAPLAN,
        law="kaplan_ln_d",
        params={"A": 6.4e13 ** (0.076 / 0.103), "D_c": 1.8e13, "ratio": 0.076 / 0.103, "alpha_D": 0.103},
        precision="2 digits",
        note="N_c = 6.4e13, D_c = 1.8e13. Its optimum under C = 6 N D is not Kaplan's 0.73, which rests on L(N, S)",
    ),
    Published(
        key="kaplan2020_ln_s",
        source="Kaplan et al. 2020, eq. 1.6, Table 3",
        **_KAPLAN,
        law="kaplan_ln_s",
        params={"A": 6.5e13**0.077, "B": 2.1e3**0.76, "alpha": 0.077, "beta": 0.76},
        precision="2 digits",
        units="N parameters, S steps at a batch far above the critical one, loss nats per token",
        note="N_c = 6.5e13, S_c = 2.1e3 steps",
    ),
    Published(
        key="pearce2024_total",
        source="Pearce and Song 2024, section 3, recomputed from Besiroglu's constants",
        n_convention="total",
        a=0.515,
        precision="3 digits",
        note="the same synthetic runs as pearce2024_non_embedding, all parameters counted",
    ),
    Published(
        key="gadre2024",
        source="Gadre et al. 2024, eq. 4: L(C, M) = E + (a M^eta + b M^-eta) C^-eta, M = D/N",
        n_convention="total",
        a=0.5,
        b=0.5,
        precision="exact: the form itself has alpha = beta = 2 eta, whatever the data",
        note="an assumption, not a measurement; their E, a, b, eta are not held here",
    ),
    Published(
        key="deepseek2024",
        source="DeepSeek-AI 2024, arXiv 2401.02954, eq. 4: M_opt = 0.1715 C^0.5243, D_opt = 5.8316 C^0.4757",
        n_convention="non_embedding",
        a=0.5243,
        b=0.4757,
        n_opt_coefficient=0.1715 / 6,
        d_opt_coefficient=5.8316,
        input_ranges={"C": (1e17, 3e20)},
        c_convention="M D, M the FLOPs of a token without embeddings, attention included",
        precision="4 digits, no standard errors",
        note="its scale is M, FLOPs of a token: N here is M / 6, larger than the parameters by the attention's share",
    ),
    Published(
        key="llama3_2024",
        source="Llama Team 2024, arXiv 2407.21783, section 3.2.1: D_opt = 0.29 C^0.53",
        n_convention="total",
        a=0.47,
        b=0.53,
        n_opt_coefficient=1 / (6 * 0.29),
        d_opt_coefficient=0.29,
        input_ranges={"N": (4e7, 1.6e10), "C": (6e18, 1e22)},
        precision="2 digits: at 3.8e25 FLOP they give 10.5T tokens, not the 16.55T printed beside them",
        note="its N* is tokens; a = 1 - b and N by C = 6 N D; which N is not said",
    ),
    Published(
        key="muennighoff2023",
        source="Muennighoff et al. 2023, authors' fitting code",
        n_convention="total",
        law="muennighoff",
        params={
            "E": math.exp(0.6254804),
            "A": math.exp(6.255414),
            "B": math.exp(7.3049974),
            "alpha": 0.3526596,
            "R_D": 15.387756,
            "R_N": 5.309743,
        },
        a=0.5,
        b=0.5,
        input_ranges={"N": (7.1e6, 8.67e9), "D": (1e8, 9e11), "U": (1e8, 1.78e11), "C": (4.3e15, 9.3e21)},
        precision="7 digits",
        note="alpha = beta by assumption; the printed law rounds E to 1.87, A to 521, B to 1488",
    ),
)

PUBLISHED: dict[str, Published] = {entry.key: entry for entry in _ENTRIES}
