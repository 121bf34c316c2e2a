"""The cases run once for each backend, each in a process of its own; here they are not collected by themselves."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("FITSCRIBE_TEST_BACKEND") else ["cases"]
