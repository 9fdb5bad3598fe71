"""Where the local stack keeps what it makes: all of it under `.amcflow`, ignored by git."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("AMCFLOW_HOME") or PROJECT / ".amcflow")
DATA = HOME / "data"
LOGS = HOME / "logs"
CACHE = HOME / "cache"
STACK_FILE = HOME / "stack.json"
