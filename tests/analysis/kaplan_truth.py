"""A known L(N, S_min) and B_crit(L), and the loss that a run of any size and batch then has after so many steps."""

from scipy.optimize import brentq

from analysis.laws.kaplan import kaplan_ln_s

LAW = {"A": 4.0, "B": 12.0, "alpha": 0.1, "beta": 0.5}
SCALE, POWER = 2e5, 4.8  # B_crit(L)
BATCHES = (256, 512, 1024, 2048, 4096, 8192, 16384)


def loss_at(n_params, batch, n_steps):
    """Loss after so many steps of a batch: that of S_min = S / (1 + B_crit(L)/B)."""

    def excess(loss):
        return loss - kaplan_ln_s.predict(LAW, N=n_params, S=n_steps / (1 + SCALE * loss**-POWER / batch))

    return brentq(excess, 0.5, 60)
