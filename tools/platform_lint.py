"""Ban calls that only POSIX has, outside the one module that may make them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "fleet"
ALLOWED = {ROOT / "platform" / "posix.py"}
MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "posix", "syslog"}
NAMES = {
    ("os", name)
    for name in "fork forkpty getuid geteuid getgid setuid setsid kill killpg chown fchmod mkfifo uname wait waitpid".split()
} | {("signal", name) for name in ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "alarm")}


def offences(path: Path) -> list[str]:
    """Every banned import or call in *path*, with its line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            names = [str(node.module)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in NAMES or node.attr == "add_signal_handler":
                names = [f"{node.value.id}.{node.attr}"]
        found += [f"{path.relative_to(ROOT.parent)}:{node.lineno}: {name} exists on POSIX only" for name in names]
    return found


def main() -> int:
    found = [line for path in sorted(ROOT.rglob("*.py")) if path not in ALLOWED for line in offences(path)]
    print("\n".join(found) or "no POSIX-only call outside fleet/platform/posix.py")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
