"""This machine: where things are kept, running programs, what is installed, and one command at a time."""
