# SPDX-License-Identifier: GPL-2.0-only
"""The command line of the scripts that draw a figure of the documents."""

import os
import sys


def draw_or_check(path, draw, usage):
    """Write the figure that draw() returns to path, or with --check compare the two."""
    script = os.path.basename(sys.argv[0])
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="utf-8") as f:
            sys.exit(0 if f.read() == draw() else
                     f"{os.path.basename(path)} is not what scripts/{script} draws")
    if sys.argv[1:]:
        sys.exit(usage)
    with open(path, "w", encoding="utf-8") as f:
        f.write(draw())
