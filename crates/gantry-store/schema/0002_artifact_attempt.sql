-- Which attempt kept an artifact: a later attempt of the same job replaces it.
ALTER TABLE artifacts ADD COLUMN attempt TEXT;
