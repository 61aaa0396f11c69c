"""Files and folders: atomic writes, free space, zips, photos, hashes."""
