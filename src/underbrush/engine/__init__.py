"""Plans carried out: caches, threads, batch."""
