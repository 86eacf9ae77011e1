"""What a user may say of one run: the schema of conf/, and its composition by Hydra."""
