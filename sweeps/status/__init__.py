"""Read the status of a sweep's runs from their files."""
