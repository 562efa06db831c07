"""Files, text, threads, memory and the environment; nothing of the domain."""
