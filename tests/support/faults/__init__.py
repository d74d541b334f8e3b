"""An app whose processors crash, leak and hang, for workers that run each job in a child."""
