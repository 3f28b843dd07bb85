"""What ranks do beside each other: files, samples, parameters that were reached."""
