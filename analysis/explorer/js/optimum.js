// The best size for a budget, and for a budget and the tokens that the model will serve.

const LOG_SIZES = [-60, 140]; // ln N in which an optimum is looked for
const FORWARD = 1 / 3; // of training's FLOPs a token: 2 N of 6 N

// ln of what a last FLOP on N gains over one on D; zero at the best size, alpha A N^-alpha = s beta B D^-beta with
// s = (d ln C / d ln N) / (d ln C / d ln D): Hoffmann et al. 2022, eq. 4, and for N_total seen in N_non_embedding the
// optimum of Pearce & Song 2024.
function logGain(p, {own, cost}, x, logD) {
  const ofSize = Math.log(p.alpha * p.A) - p.alpha * own.logN(x) + Math.log(own.slope(x));
  return ofSize - Math.log(p.beta * p.B) + p.beta * logD - Math.log(cost.slope(x) / cost.dPower);
}

// N and D of lowest loss at a budget.
function best(p, problem, logC) {
  const logTokens = x => problem.cost.logTokens(x, logC);
  if (problem.own === SAME && problem.cost.k) { // C = k N D: the closed form of that equation
    const x = (Math.log(p.alpha * p.A / (p.beta * p.B)) + p.beta * (logC - Math.log(problem.cost.k))) / (p.alpha + p.beta);
    return {x, logD: logTokens(x)};
  }
  const ends = hasOneMinimum(p, problem) ? LOG_SIZES : lowestOnGrid(x => loss(p, problem.own.logN(x), logTokens(x)));
  const x = bisect(x => logGain(p, problem, x, logTokens(x)) > 0, ...ends);
  return {x, logD: logTokens(x)};
}

// With small exponents, the loss of a law in N_total has a second minimum where N_total is mostly V d. It has not if
// d ln C / d ln N of Pearce & Song's optimum, their 1/g, is positive for all N: it is at least this sum less 0.179, over beta.
const hasOneMinimum = (p, problem) => problem.own === SAME || p.beta + p.alpha / 3 > 0.179;

// Ends of the cell with the lowest value.
function lowestOnGrid(value) {
  const grid = steps(...LOG_SIZES, 401), i = d3.minIndex(grid, value);
  return [grid[Math.max(0, i - 1)], grid[Math.min(400, i + 1)]];
}

// N and D of least training plus inference, the loss being that of the best for the budget (Sardana et al. 2023, arXiv
// 2401.00448): alpha A N^-alpha / (beta B D^-beta) = 1 + I / 3 D under C = 6 N D, I being the tokens served.
function cheapestOverLife(p, problem, logC, served) {
  const {x: bestX, logD} = best(p, problem, logC);
  if (!(served > 0)) return {x: bestX, logD};
  const sum = reducible(p, problem.own.logN(bestX), logD);
  const used = (x, logD) => FORWARD * Math.exp(inferenceLogFlops(problem.cost, x, served) - problem.cost.logFlops(x, logD));
  const x = bisect(x => {
    const logD = logTokensFor(p, problem.own.logN(x), sum);
    return !(logGain(p, problem, x, logD) <= Math.log1p(used(x, logD))); // NaN where so small a size never gets there
  }, LOG_SIZES[0], bestX);
  return {x, logD: logTokensFor(p, problem.own.logN(x), sum)};
}

// Of training on as many tokens as are served.
const inferenceLogFlops = (cost, x, served) => cost.logFlops(x, Math.log(served));

// The share of a budget that is wasted by a loss above the best one's: the best reaches it with less.
function wastedShare(p, problem, logC, reached) {
  const lossOfBest = logC => {
    const {x, logD} = best(p, problem, logC);
    return loss(p, problem.own.logN(x), logD);
  };
  return -Math.expm1(bisect(shift => lossOfBest(logC + shift) > reached, -20, 0));
}
