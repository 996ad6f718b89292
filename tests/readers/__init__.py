"""What we write, read back by every reader of the field that installs here."""
