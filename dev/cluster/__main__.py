"""`python3 -m dev.cluster COMMAND`."""

import sys

from dev.cluster.cli import main

sys.exit(main(sys.argv[1:]))
