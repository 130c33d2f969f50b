"""Pages in, documents out: main text and language."""
