"""What this service does, one file for each subject."""
