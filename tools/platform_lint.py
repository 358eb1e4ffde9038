"""Ban calls that only POSIX has, outside the one module that may make them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "fleet"
ALLOWED = {ROOT / "platform" / "posix.py"}
MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "posix", "syslog", "spwd", "crypt", "readline"}
NAMES = {
    "os": (
        "fork forkpty getuid geteuid getgid getegid getgroups getpgid getppgid getsid setuid seteuid setgid setegid setsid "
        "setpgid kill killpg chown lchown fchown fchmod chroot mkfifo mknod uname wait waitpid wait3 wait4 nice getloadavg "
        "sysconf pathconf openpty ttyname tcgetpgrp tcsetpgrp posix_spawn statvfs fstatvfs lockf sendfile sync fdatasync "
        "pread pwrite O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NONBLOCK O_SYNC WNOHANG"
    ).split(),
    "signal": (
        "SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGPIPE SIGWINCH alarm setitimer "
        "pause sigwait pthread_kill pthread_sigmask siginterrupt"
    ).split(),
    "socket": "AF_UNIX SO_REUSEPORT send_fds recv_fds".split(),
    "time": "clock_gettime tzset pthread_getcpuclockid".split(),
}
METHODS = {"add_signal_handler", "remove_signal_handler", "create_unix_server", "create_unix_connection"}
ARGUMENTS = {"preexec_fn"}


def offences(text: str) -> list[tuple[int, str]]:
    """Every banned import, name or argument in the source *text*: its line, and what it is."""
    tree = ast.parse(text)
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [(node.lineno, alias.name) for alias in names if alias.name.split(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] in MODULES:
                    found.append((node.lineno, module))
                banned = NAMES.get(module, ())
                found += [(node.lineno, f"{module}.{alias.name}") for alias in names if alias.name in banned]
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                module = modules.get(name, "")
                if attribute in NAMES.get(module, ()):
                    found.append((node.lineno, f"{module}.{attribute}"))
                elif attribute in METHODS:
                    found.append((node.lineno, f"{name}.{attribute}"))
            case ast.Attribute(attr=attribute) if attribute in METHODS:
                found.append((node.lineno, attribute))
            case ast.keyword(arg=str(argument)) if argument in ARGUMENTS:
                found.append((node.value.lineno, argument))
    return sorted(found)


def main() -> int:
    found = [
        f"{path.relative_to(ROOT.parent)}:{line}: {what} exists on POSIX only"
        for path in sorted(ROOT.rglob("*.py"))
        if path not in ALLOWED
        for line, what in offences(path.read_text(encoding="utf-8"))
    ]
    print("\n".join(found) or "no POSIX-only call outside fleet/platform/posix.py")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
