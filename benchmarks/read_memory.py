"""What a process holds in memory, by the kernel's own words."""

from pathlib import Path


def resident_mb(pid: int | str) -> float:
    """Now."""
    return _megabytes(pid, "VmRSS:")


def peak_mb(pid: int | str) -> float:
    """The most since it became this program, or since `forget_peak`.

    `getrusage` would go back to the process that started it.
    """
    return _megabytes(pid, "VmHWM:")


def forget_peak(pid: int) -> None:
    """The peak begins at what is held now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _megabytes(pid: int | str, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(name)]
    return int(line.split()[1]) / 1024
