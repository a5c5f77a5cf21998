"""The configuration: from the text of a YAML file to the routing table, every fault with its line."""
