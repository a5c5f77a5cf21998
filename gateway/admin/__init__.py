"""The admin API: what operators and orchestrators ask a running gateway."""
