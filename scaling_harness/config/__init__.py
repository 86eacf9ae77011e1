"""Configuration of one run: the schema of conf/, and its composition by Hydra."""
