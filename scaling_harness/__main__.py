"""Run the console command as `python -m scaling_harness`."""

import sys

from scaling_harness.cli import main

sys.exit(main())
