// What the page says of one law at a budget.

function problemOf(law, settings) {
  const sizes = sizesOf(law, settings);
  return {...sizes, cost: costOf(law, sizes, settings)};
}

function forecast(law, settings, tau) {
  if (!law.params) return forecastOfLine(law.line, law, settings);
  const problem = problemOf(law, settings), logC = Math.log(settings.flops);
  const at = p => ({...best(p, problem, logC), p});
  const point = at(law.params), drawn = law.resamples.map(at);
  const estimate = read => ({value: read(point), ci: interval(drawn.map(read))});
  const beyond = factorBeyond(law, problem.own.logN(point.x), point.logD);
  const sd = law.ranges.C && beyond.side === "beyond" ? tau * Math.log(beyond.factor) : 0;
  const lossThere = each => loss(each.p, problem.own.logN(each.x), each.logD);
  return {
    n: estimate(each => Math.exp(problem.shown.logN(each.x))),
    d: estimate(each => Math.exp(each.logD)),
    ratio: estimate(each => Math.exp(each.logD - problem.shown.logN(each.x))),
    loss: {value: lossThere(point), ci: widened(drawn.map(lossThere), sd)},
    half: costOfSize(law.params, problem, logC, point, 1 / 2),
    double: costOfSize(law.params, problem, logC, point, 2),
    life: settings.served > 0 ? overLife(law, problem, settings, point) : null,
    beyond,
  };
}

// N_opt = k C^a as printed; D_opt likewise, or C / 6 N_opt.
function forecastOfLine(line, law, {flops}) {
  const n = line.n_coefficient * flops ** line.a;
  const d = line.d_coefficient ? line.d_coefficient * flops ** line.b : flops / (6 * n);
  const beyond = factorBeyond(law, Math.log(n), Math.log(d), flops);
  return {n: {value: n}, d: {value: d}, ratio: {value: d / n}, beyond};
}

// The loss above the best, and the share of the budget that is wasted, of a size off by a factor at the same budget.
function costOfSize(p, problem, logC, point, factor) {
  const shown = problem.shown.logN(point.x) + Math.log(factor);
  const x = problem.shown === SAME ? shown : bisect(x => problem.shown.logN(x) < shown, ...LOG_SIZES);
  const reached = loss(p, problem.own.logN(x), problem.cost.logTokens(x, logC));
  const extra = reached - loss(p, problem.own.logN(point.x), point.logD);
  return {extra, wasted: wastedShare(p, problem, logC, reached)};
}

function overLife(law, problem, {flops, served}, point) {
  const at = p => cheapestOverLife(p, problem, Math.log(flops), served), chosen = at(law.params);
  const drawn = law.resamples.map(at);
  const estimate = read => ({value: read(chosen), ci: interval(drawn.map(read))});
  const inference = x => FORWARD * Math.exp(inferenceLogFlops(problem.cost, x, served));
  const train = Math.exp(problem.cost.logFlops(chosen.x, chosen.logD));
  return {
    n: estimate(each => Math.exp(problem.shown.logN(each.x))),
    d: estimate(each => Math.exp(each.logD)),
    train,
    inference: inference(chosen.x),
    saved: 1 - (train + inference(chosen.x)) / (flops + inference(point.x)),
  };
}

// How far outside its runs a law is asked: by the C of its runs if that is known, else by the worse of N and D.
function factorBeyond(law, logN, logD, flops) {
  const outside = (name, logValue) => {
    const [low, high] = law.ranges[name].map(Math.log);
    return logValue > high ? {name, factor: Math.exp(logValue - high), side: "beyond"} :
      {name, factor: Math.exp(Math.max(0, low - logValue)), side: logValue < low ? "below" : "within"};
  };
  if (law.ranges.C) return outside("C", flops ? Math.log(flops) : costAlong(law.cost, SAME).logFlops(logN, logD));
  const known = ["N", "D"].filter(name => law.ranges[name]);
  if (!known.length) return null;
  return d3.greatest(known.map(name => outside(name, name === "N" ? logN : logD)), each => each.factor);
}
