"""`make load-test`: a thousand signed-in users at three instances behind nginx with TLS, and whether what was asked holds.

A program of ours instead of a load tool: those that know WebSockets need as much code for them, and round their percentiles.
"""
