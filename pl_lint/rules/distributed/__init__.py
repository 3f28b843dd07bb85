"""What goes wrong only where several processes train together."""
