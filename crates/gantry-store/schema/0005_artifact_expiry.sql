-- Until when an artifact is kept; without a value as long as the data directory.
ALTER TABLE artifacts ADD COLUMN expires_us {int};
