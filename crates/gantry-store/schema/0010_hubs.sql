-- Processes of a service know each other: where each is reached, which token registers runners with it, and when it was
-- heard of. A private hub has none of it.
ALTER TABLE hubs ADD COLUMN url TEXT;
ALTER TABLE hubs ADD COLUMN token TEXT;
ALTER TABLE hubs ADD COLUMN seen_us {int};
