"""One module a Beam pipeline: thin wiring around the rooms' pure functions."""
