"""The textbook law ln L = linear in ln N, ln C and ln D."""

from analysis.laws.law import EITHER_SIGN, Law, Term

loglinear = Law(
    name="loglinear",
    formula="L(N,C,D) = A N^-alpha C^-beta D^-gamma",
    source="textbook form; not identified together with C = 6 N D",
    terms=(Term("A", {"N": "alpha", "C": "beta", "D": "gamma"}),),
    offset=None,
    bounds={"alpha": EITHER_SIGN, "beta": EITHER_SIGN, "gamma": EITHER_SIGN},
)
