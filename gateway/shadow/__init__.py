"""The comparer's part of shadowing: from two answers to what differs between them, and what of it may be kept."""
