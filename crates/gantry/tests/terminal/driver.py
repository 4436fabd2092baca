"""Runs a command on a new terminal of 33 × 101 and plays somebody before it.

Standard input has the scenario, one word and its text a line: `expect TEXT` waits until TEXT stands there
(after what was waited for before), `send TEXT` types it (Python escapes), `size ROWS COLUMNS` changes the
window, `signal NAME` goes to the command. The end prints all that was shown and, in a last line, the exit code
and whether the terminal is as it was.
"""
import fcntl, os, pty, select, signal, struct, sys, termios, time

PATIENCE_S = 300


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read(fd):
    ready, _, _ = select.select([fd], [], [], 1)
    if not ready:
        return b""
    try:
        return os.read(fd, 65536) or None
    except OSError:
        return None


def main():
    ours, theirs = pty.openpty()
    resize(ours, 33, 101)
    before = termios.tcgetattr(theirs)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(theirs, fd)
        os.execvp(sys.argv[1], sys.argv[1:])
    shown, place, until = b"", 0, time.monotonic() + PATIENCE_S
    for line in sys.stdin.read().split("\n"):
        word, _, text = line.partition(" ")
        if not line:
            continue
        if word == "send":
            os.write(ours, text.encode().decode("unicode_escape").encode())
        elif word == "size":
            resize(ours, *map(int, text.split()))
        elif word == "signal":
            os.kill(pid, getattr(signal, text))
        elif word == "expect":
            wanted = text.encode()
            while (at := shown.find(wanted, place)) < 0:
                piece = read(ours) if time.monotonic() < until else None
                if piece is None:
                    sys.exit(f"no `{text}` after:\n{shown[place:].decode(errors='replace')}")
                shown += piece
            place = at + len(wanted)
        else:
            sys.exit(f"the word {word}")
    status = 0
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        shown += read(ours) or b""
        if ended:
            break
    else:
        sys.exit(f"it does not end:\n{shown[place:].decode(errors='replace')}")
    same = termios.tcgetattr(theirs) == before
    sys.stdout.buffer.write(shown)
    print(f"\n{os.waitstatus_to_exitcode(status)} {'restored' if same else 'changed'}")


main()
