"""Where the local stack keeps what it makes: all of it under `.amcflow`, ignored by git."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
HOME = PROJECT / ".amcflow"
DATA = HOME / "data"
LOGS = HOME / "logs"
CACHE = HOME / "cache"
STACK_FILE = HOME / "stack.json"
