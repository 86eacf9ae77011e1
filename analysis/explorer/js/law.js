// Laws of the loss, L = E + (A/N^alpha + B/D^beta)^k, in nats. N and D come as logarithms.
// k = 1: Hoffmann et al. 2022, eq. 2. Other k: Skaling 2026 (arXiv 2608.07222); with E = 0: Kaplan et al. 2020, eq. 1.5.

function loss(p, logN, logD) {
  return p.E + reducible(p, logN, logD) ** p.k;
}

function reducible(p, logN, logD) {
  const logSize = p.R_N ? effectiveLogN(p, logN, logD) : logN;
  return p.A * Math.exp(-p.alpha * logSize) + p.B * Math.exp(-p.beta * logD);
}

// Parameters in excess of N_opt(D) count less and less: Muennighoff et al. 2023, eq. 5, all tokens being unique.
function effectiveLogN(p, logN, logD) {
  const logG = Math.log(p.alpha * p.A / (p.beta * p.B)) / (p.alpha + p.beta);
  const logUseful = logG + p.beta / p.alpha * (logD + logG);
  if (logN <= logUseful) return logN;
  return logUseful + Math.log1p(-p.R_N * Math.expm1(-Math.expm1(logN - logUseful) / p.R_N));
}

// ln D at which a size of this ln N has what A/N^alpha leaves of A/N^alpha + B/D^beta = sum; NaN if it leaves nothing.
function logTokensFor(p, logN, sum) {
  return Math.log(p.B / (sum - p.A * Math.exp(-p.alpha * logN))) / p.beta;
}
