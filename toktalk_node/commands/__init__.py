"""The verbs of the `toktalk` command, one file each."""
