"""``python -m pl_lint.cli``."""

import sys

from pl_lint.cli import main

sys.exit(main())
