"""`python -m scaling_harness` is the console command."""

import sys

from scaling_harness.cli import main

sys.exit(main())
