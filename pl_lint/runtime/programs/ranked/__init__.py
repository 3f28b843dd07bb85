"""Evaluations and a fit on several ranks."""
