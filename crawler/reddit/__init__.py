"""Submissions in, links out: dumps, URL rules and the selection by karma."""
