"""Hooks, steps, optimizers, schedulers and Trainers: what Lightning calls, when, and with what."""
