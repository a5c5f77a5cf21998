"""Writes that the candidate alone answered, kept on disk until the baseline has had them, too."""
