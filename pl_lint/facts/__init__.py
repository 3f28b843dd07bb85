"""The vocabulary that reader and runner share, and tables of what Lightning and torchmetrics are.

Plain data: no syntax trees, no tensors, and no import from the rest of the project.
"""
