"""Run torchrun so that it ends when the process that started it does: `python -m sweeps.workers.torchrun`."""

import os

from scaling_harness.execution.signals import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    # One of several nodes learns from SLURM which it is; see `sweeps.workers.over_nodes`.
    os.environ.setdefault("PET_NODE_RANK", os.environ.get("SLURM_NODEID", "0"))
    from torch.distributed.run import main

    main()
