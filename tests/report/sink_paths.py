"""Exchanges two names of a directory for each other, as fast as it can, until it is killed: what a user
does who wants to be looked at with the one and opened with the other. Prints a line when it has begun."""
import ctypes, sys

AT_FDCWD, RENAME_EXCHANGE = -100, 2
renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
one, other = (name.encode() for name in sys.argv[1:])

begun = False
while True:
    if renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0 and not begun:
        print("begun", flush=True)
        begun = True
