"""``python -m pl_lint`` is ``pl-lint``, for those whose scripts are not on the path."""

from __future__ import annotations

import sys

from pl_lint.cli import main

if __name__ == "__main__":
    sys.exit(main())
