"""What the program's end means to the caller."""

OK = 0
FAILED = 1
CONFIGURATION = 2  # the environment cannot be used: trying again will not help
UNREACHABLE = 75  # EX_TEMPFAIL of sysexits.h: the database cannot be reached, try again
