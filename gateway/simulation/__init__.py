"""Rollouts on a virtual clock: the same rules and the same lifecycle as the gateway's, on traffic that dice make up."""
