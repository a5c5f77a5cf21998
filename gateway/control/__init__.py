"""The control plane's parts: the configuration in force, who serves it, and what watches its file."""
