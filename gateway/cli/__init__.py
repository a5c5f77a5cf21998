"""The commands: what a user types, and what they read."""
