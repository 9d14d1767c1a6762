"""An API server in the test process, as far as the operator depends on one. contract.py holds it against the real one."""
