"""The edge: HTTP, mail, settings and the command line."""
