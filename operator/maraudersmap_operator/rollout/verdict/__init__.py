"""The verdict on a candidate, from what its pods, its migrations and the control group did. Pure functions on facts."""
