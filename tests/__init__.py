"""Everything that is tested outside the failure modes, mirroring the folders of the project."""
