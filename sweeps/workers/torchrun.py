"""Run torchrun so that it ends when the process that started it does: `python -m sweeps.workers.torchrun`."""

from scaling_harness.execution.signals import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    from torch.distributed.run import main

    main()
