"""The failure zoo: every way a revision, or what surrounds it, can go wrong, on a real cluster. `make zoo`"""
