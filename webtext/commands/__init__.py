"""The commands, one file a subject; `webtext.cli` gathers them."""
