"""Test sets: the files that their publishers give out, read one example at a time."""
