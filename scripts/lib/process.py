# SPDX-License-Identifier: GPL-2.0-only
"""Child processes that do not outlive their parent."""

import ctypes
import signal


def die_with_parent(sig=signal.SIGKILL):
    """For preexec_fn: the kernel ends this process however its parent ends."""
    ctypes.CDLL(None).prctl(1, sig)
