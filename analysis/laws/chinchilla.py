"""Chinchilla's law, and its relatives with tied exponents or an outer exponent."""

from analysis.laws.law import Law, Term

chinchilla = Law(
    name="chinchilla",
    formula="L(N,D) = E + A/N^alpha + B/D^beta",
    source="Hoffmann et al. 2022, eq. 2 (Rosenfeld et al. 2020, eq. 4)",
    terms=(Term("A", {"N": "alpha"}), Term("B", {"D": "beta"})),
)
tied = Law(
    name="tied",
    formula="L(N,D) = E + A/N^alpha + B/D^alpha",
    source="Hoffmann et al. 2022, eq. 2 with beta = alpha, as in Muennighoff et al. 2023",
    terms=(Term("A", {"N": "alpha"}), Term("B", {"D": "alpha"})),
)
skaling = Law(
    name="skaling",
    formula="L(N,D) = E + (A/N^alpha + B/D^beta)^k",
    source="Skaling 2026 (arXiv 2608.07222); k = 1 is Hoffmann et al. 2022",
    terms=(Term("A", {"N": "alpha"}), Term("B", {"D": "beta"})),
    outer="k",
)
