"""Runs a program that wants a terminal, and answers what it shows.

usage: at_a_terminal.py RULES -- PROGRAM ARGUMENT...

RULES is JSON: a list of [regular expression, keys, how often]. What the program shows
and no rule has matched yet is looked at whenever there is more of it; the first rule
that matches types its keys, or ends the program where they are null. Everything that
was shown is printed at the end. Whoever calls bounds the time.
"""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios

at = sys.argv.index("--")
rules = [[re.compile(rule, re.S | re.I), keys, times] for rule, keys, times in json.loads(sys.argv[1])]
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[at + 1], sys.argv[at + 1 :])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))


def over(*_):
    os.kill(child, signal.SIGKILL)


signal.signal(signal.SIGTERM, over)
escapes = re.compile(rb"\x1b(\[[0-9;?>=!]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()].|[=>78cDEHM])")
shown, looked_at = "", 0
while True:
    try:
        octets = os.read(terminal, 65536)
    except OSError:
        break
    if not octets:
        break
    shown += escapes.sub(b"", octets).decode("utf-8", "replace")
    for rule in rules:
        expression, keys, times = rule
        found = expression.search(shown, looked_at)
        if not found or times == 0:
            continue
        looked_at, rule[2] = found.end(), times - 1
        if keys is None:
            over()
        else:
            os.write(terminal, keys.encode())
        break
os.waitpid(child, 0)
print(shown)
