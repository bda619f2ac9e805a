-- The zone that a custom domain was given, which is said again as it was.
ALTER TABLE domains ADD COLUMN zone_name TEXT COLLATE "C";
