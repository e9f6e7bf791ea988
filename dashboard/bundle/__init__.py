"""The evidence of one stream as a file: made, described for an upstream issue, and opened elsewhere.

The format is that of `runs.worlds.bundle`, which reads it; docs/bundle.md says what is in it and what is left out.
"""
