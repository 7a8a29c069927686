"""The rig of the crash tests: mail that can be accounted for, hosts that take it, disks that remember, and a judge."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))
