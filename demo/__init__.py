"""The little web: a server on this machine with a dump that links to it; `webtext demo` walks the whole way over it."""
