"""Sources whose entropy is known exactly, one short file each; every one is a `process.Process`."""
