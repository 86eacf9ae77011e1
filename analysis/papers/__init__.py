"""Papers: their figures, each a table and a drawing of it, from any runs that feed it."""
