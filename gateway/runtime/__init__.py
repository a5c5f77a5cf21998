"""The composition roots: master, worker and controller, and the link between them."""
