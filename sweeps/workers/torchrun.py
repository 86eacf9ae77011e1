"""`python -m sweeps.workers.torchrun`: torchrun, but it ends with the process that started it, however that does."""

from scaling_harness.execution.signals import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    from torch.distributed.run import main

    main()
