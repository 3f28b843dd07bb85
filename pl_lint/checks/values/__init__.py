"""What every oracle needs to judge a logged value: tolerances, chance, the line that logged it."""
