// Which parameters N counts, and what compute is in N and D.
//
// Pearce & Song 2024 (arXiv 2406.12907): N_total = N + omega N^(1/3), N without embeddings, for models of one shape.
// Such models have N = 12 d^3 / aspect, aspect = d_model / n_layer, so that V d = omega N^(1/3) with this omega. V d is
// the embedding, or the head, or both where they are tied: "with head" and "total" are then the same number.

const omega = (vocabSize, aspect) => vocabSize * Math.cbrt(aspect / 12);

const SAME = {logN: x => x, slope: () => 1};

// ln N_total as a function of x = ln N_non_embedding, and its slope.
function withVocabulary(w) {
  const share = x => w * Math.exp(-2 * x / 3);
  return {logN: x => x + Math.log1p(share(x)), slope: x => (1 + share(x) / 3) / (1 + share(x))};
}

// Sizes along one coordinate x: `own`, the law's N, and `shown`, the reader's. x is ln N where both are one.
function sizesOf(law, {count, aspect}) {
  const isEmbedded = name => name !== "non_embedding";
  if (count === "own" || isEmbedded(count) === isEmbedded(law.count)) return {own: SAME, shown: SAME};
  const counted = name => isEmbedded(name) ? withVocabulary(omega(law.vocab_size, aspect)) : SAME;
  return {own: counted(law.count), shown: counted(count)};
}

// Why a law cannot be shown with a count of N; nothing if it can.
function whyNot(law, {count}) {
  if (count === "own" || count === law.count) return "";
  if (!law.params) return "only N_opt is printed, and no law of the loss, which the conversion needs";
  if (!law.count) return "which parameters its N counts is not known";
  return law.vocab_size ? "" : "the vocabulary of its models is not known";
}

// C along x: of the reader's N, 6 N D; or the C of the law's own runs, C(N, D) as saved with a fit.
function costOf(law, sizes, {compute}) {
  if (compute === "own") return costAlong(law.cost, sizes.own);
  return costAlong(SIX_ND, sizes.shown);
}

const SIX_ND = {k: 6, n_power: 1, d_power: 1, overhead: 0, overhead_power: 0, side: 1};

// C = k N^n D^d (1 + overhead N^-power)^side; a forward pass, which is what inference takes, is a third of it.
function costAlong(cost, size) {
  const extra = logN => cost.overhead * Math.exp(-cost.overhead_power * logN);
  const logPerToken = x => {
    const logN = size.logN(x);
    return Math.log(cost.k) + cost.n_power * logN + cost.side * Math.log1p(extra(logN));
  };
  const slope = logN => cost.n_power - cost.side * cost.overhead_power * extra(logN) / (1 + extra(logN));
  return {
    logFlops: (x, logD) => logPerToken(x) + cost.d_power * logD,
    logTokens: (x, logC) => (logC - logPerToken(x)) / cost.d_power,
    slope: x => slope(size.logN(x)) * size.slope(x), // d ln C / d x at fixed D
    dPower: cost.d_power,
    k: size === SAME && cost.n_power === 1 && cost.d_power === 1 && !cost.overhead ? cost.k : null, // of C = k N D
  };
}
