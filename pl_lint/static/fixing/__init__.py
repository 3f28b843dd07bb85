"""Mending: changes become edits of the text, edits become a text, and only then a file."""
